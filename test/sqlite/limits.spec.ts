import { describe, expect, it } from '@jest/globals';
import { Controller, type INestApplication, type MessageEvent, Sse } from '@nestjs/common';
import { EventBus, SseConnections, type SseEvent } from 'nestjs-event-stream';
import { sqliteBackplane } from 'nestjs-event-stream/sqlite';
import { filter, firstValueFrom, type Observable } from 'rxjs';
import { LIMITS_TOPIC } from '../../src/control/limits.js';
import { eachAdapter } from '../support/each-adapter.js';
import { temporaryPaths } from './support/folder.js';

@Controller()
class NewsController {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }
}

const hasAdded = ({ data }: SseEvent) => Object.hasOwn(data as object, 'add');

describe('limits of instances that share a file', () => {
  const newPath = temporaryPaths();

  eachAdapter((bench) => {
    it('end the oldest of an owner on the other instance', async () => {
      const path = newPath();
      const start = () =>
        bench.start({
          controllers: [NewsController],
          sse: {
            backplane: sqliteBackplane({ path }),
            identify: () => ({ owner: 'ada' }),
            limits: { perOwner: 1, then: 'closeOldest' },
          },
        });
      const [one, two] = [await start(), await start()];
      const told = (app: INestApplication) =>
        firstValueFrom(app.get(EventBus).follow(LIMITS_TOPIC).pipe(filter(hasAdded)));
      const isTold = told(two);
      const first = await bench.connect(one, '/news');
      await isTold;
      const second = await bench.connect(two, '/news');
      expect((await first.next('closed')).json()).toEqual({ reason: 'replaced' });
      await first.closed;
      await one.get(EventBus).publish('news', { data: 'still' });
      expect((await second.next()).data).toBe('still');
      expect(one.get(SseConnections).ended.replaced).toBe(1);
    });
  });
});
