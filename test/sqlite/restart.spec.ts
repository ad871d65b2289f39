import { describe, expect, it } from '@jest/globals';
import { copyFile, rm } from 'node:fs/promises';
import { Controller, type MessageEvent, Param, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import { sqliteBackplane } from 'nestjs-event-stream/sqlite';
import Database from 'better-sqlite3';
import type { Observable } from 'rxjs';
import { eachAdapter } from '../support/each-adapter.js';
import { temporaryPaths } from './support/folder.js';

@Controller()
class TopicController {
  constructor(private readonly bus: EventBus) {}

  @Sse('topics/:topic')
  topic(@Param('topic') topic: string): Observable<MessageEvent> {
    return this.bus.stream(topic);
  }
}

describe('an application that keeps its log in a file', () => {
  const newPath = temporaryPaths();

  eachAdapter((bench) => {
    it.each(['process', 'power'] as const)(
      "goes on in the same epoch after a restart: its clients resume without a gap, durability '%s'",
      async (durability) => {
        const path = newPath();
        const start = () =>
          bench.start({
            controllers: [TopicController],
            sse: { backplane: sqliteBackplane({ path, durability }) },
          });
        const before = await start();
        const client = await bench.connect(before, '/topics/news');
        const bus = before.get(EventBus);
        await bus.publish('news', { type: 'n', data: { number: 1 }, key: 'k' });
        const { lastEventId } = await client.next();
        const missed = [
          bus.publish('other', { data: 'not for this client' }),
          bus.publish('news', { data: 'two\nlines, ü, \u0000 and 💡' }),
        ];
        client.close();
        await Promise.all(missed);
        await before.close();

        const after = await start();
        const again = await bench.connect(after, '/topics/news', { lastEventId });
        const third = await after.get(EventBus).publish('news', { type: 'n', data: { number: 3 } });
        const events = await again.take(2);
        expect(events.map(({ type, data }) => ({ type, data }))).toEqual([
          { type: 'message', data: 'two\nlines, ü, \u0000 and 💡' },
          { type: 'n', data: '{"number":3}' },
        ]);
        expect(again.lastEventId).toBe(third);
        expect(third.split('.')[0]).toBe(lastEventId.split('.')[0]);
        expect(again.text).not.toContain('event: gap');
      },
    );

    it.each(['copied over the file', 'copied to where the file was'])(
      'tells a gap to who has more than a backup that was restored, %s',
      async (how) => {
        const path = newPath();
        const backup = newPath();
        const start = () =>
          bench.start({
            controllers: [TopicController],
            sse: { backplane: sqliteBackplane({ path }) },
          });
        const before = await start();
        await before.get(EventBus).publish('news', { data: 'in the backup' });
        const other = new Database(path);
        other.exec(`VACUUM INTO '${backup}'`);
        other.close();
        const lastEventId = await before.get(EventBus).publish('news', { data: 'not in it' });
        await before.close();
        if (how === 'copied to where the file was') await rm(path);
        await copyFile(backup, path);

        const after = await start();
        const bus = after.get(EventBus);
        for (const data of ['in its place', 'one more']) await bus.publish('news', { data });
        const client = await bench.connect(after, '/topics/news', { lastEventId });
        const events = await client.take(4);
        expect(events.map(({ type }) => type)).toEqual(['gap', 'message', 'message', 'message']);
        expect(JSON.parse(events[0]?.data ?? '')).toMatchObject({ reason: 'epoch' });
        expect(events.slice(1).map(({ data }) => data)).toEqual([
          'in the backup',
          'in its place',
          'one more',
        ]);
      },
    );
  });
});
