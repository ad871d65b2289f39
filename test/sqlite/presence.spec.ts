import { describe, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import { SsePresenceModule } from 'nestjs-event-stream/presence';
import { sqliteBackplane } from 'nestjs-event-stream/sqlite';
import { as, identify, RoomsController, RoomView } from '../presence/rooms.js';
import { eachAdapter } from '../support/each-adapter.js';
import { until } from '../support/until.js';
import { temporaryPaths } from './support/folder.js';

const offsetOf = (cursor: string) => Number(cursor.split('.')[1]);

/** Puts events into the log, no more at once than the other instance can follow. */
async function fill(app: INestApplication, other: INestApplication): Promise<void> {
  const publish = (n: number) => app.get(EventBus).publish('other', { data: n });
  const cursors = await Promise.all(Array.from({ length: 20 }, (_, n) => publish(n)));
  const last = Math.max(...cursors.map(offsetOf));
  await until('the other has them', () => offsetOf(other.get(EventBus).head) >= last);
}

describe('presence on instances that share a file', () => {
  const newPath = temporaryPaths();

  eachAdapter((bench) => {
    it('knows an owner once on both, and gives it to one that begins', async () => {
      const path = newPath();
      const start = () =>
        bench.start({
          imports: [SsePresenceModule.forRoot({ topics: ['room.**'], grace: 100 })],
          controllers: [RoomsController],
          sse: { backplane: sqliteBackplane({ path }), identify, history: { maxEvents: 60 } },
        });
      const [one, two] = [await start(), await start()];
      const view = new RoomView(await bench.connect(two, '/windows/7', as('eve')));
      await view.shows();
      const first = await bench.connect(one, '/silent/7', as('ada'));
      const second = await bench.connect(two, '/silent/7', as('ada'));
      await view.shows('ada');
      first.close();
      for (let round = 0; round < 4; round++) await fill(one, two);
      await bench.connect(one, '/silent/7', as('bob'));
      await view.shows('ada', 'bob');
      const three = await start();
      const late = new RoomView(await bench.connect(three, '/windows/7', as('eve')));
      await late.shows('ada', 'bob');
      second.close();
      for (const each of [view, late]) await each.shows('bob');
    });
  });
});
