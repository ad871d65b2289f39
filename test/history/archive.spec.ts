import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, type INestApplication, Module, Param, Query, Sse } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import type { Backplane, History, SseEvent } from 'nestjs-event-stream';
import { EventBus, matching, SseModule } from 'nestjs-event-stream';
import { connectSse, type SseTestClient } from 'nestjs-event-stream/testing';
import { delay, lastValueFrom, tap } from 'rxjs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sqliteBackplane } from 'nestjs-event-stream/sqlite';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { RedisServer } from '../redis/support/redis-server.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';

type From = 'earliest' | 'start' | { last: number } | Date | undefined;

@Controller()
class FeedController {
  constructor(private readonly bus: EventBus) {}

  @Sse('topics/:topics')
  topics(@Param('topics') topics: string, @Query('from') from?: string) {
    const place = (from === undefined ? undefined : JSON.parse(from)) as From | { since: number };
    const isTime = typeof place === 'object' && 'since' in place;
    return this.bus.stream(topics.split(','), {
      from: isTime ? new Date(place.since) : place,
    });
  }

  @Sse('jobs/:id')
  job(@Param('id') id: string) {
    return this.bus.stream(`job.${id}`, { from: 'start', until: ({ type }) => type === 'done' });
  }

  @Sse('all')
  all() {
    return this.bus.stream(matching('job.*'), { from: 'earliest' });
  }

  @Sse('announced/:topics')
  announced(@Param('topics') topics: string) {
    return this.bus.stream(topics.split(','), { from: 'earliest', announce: true });
  }

  @Sse('delayed/:topic')
  delayed(@Param('topic') topic: string) {
    return this.bus.stream(topic, { from: 'earliest', announce: true }).pipe(delay(50));
  }

  @Sse('state')
  state() {
    return this.bus.stream('a', {
      announce: true,
      snapshot: () => [
        { type: 'state', data: 1 },
        { type: 'state', data: 2 },
      ],
    });
  }
}

@Module({})
class RootModule {}

/** A backplane of each kind, for the tests of what all of them do. */
interface Kind {
  readonly name: string;
  readonly canMatch: boolean;
  /** Of one more instance of the log that the test has begun; `isNew` begins another one. */
  backplane(isNew: boolean): Backplane | undefined;
  readonly survivesRestart: boolean;
}

function keepsTopics({ canMatch, survivesRestart, backplane }: Kind): void {
  let app: INestApplication;
  let bus: EventBus;

  afterEach(async () => {
    await app.close();
  });

  async function start(history: Partial<History>, isNew = true): Promise<void> {
    const module = await Test.createTestingModule({
      imports: [RootModule, SseModule.forRoot({ history, backplane: backplane(isNew) })],
      controllers: [FeedController],
    }).compile();
    app = module.createNestApplication();
    await app.listen(0, '127.0.0.1');
    bus = app.get(EventBus);
  }

  /** Fills the tail with what nobody reads, so that everything before has left it. */
  async function flood(count = 20): Promise<void> {
    let last = '';
    for (let n = 0; n < count; n++) last = await bus.publish('noise', { data: n });
    await until('this instance has read it', () => bus.head === last);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
  }

  function connect(path: string, lastEventId?: string): Promise<SseTestClient> {
    return connectSse(app, path, lastEventId === undefined ? {} : { lastEventId });
  }

  async function dataOf(client: SseTestClient, count: number): Promise<string[]> {
    const events = await client.take(count);
    client.close();
    return events.map(({ type, data }) => (type === 'gap' ? 'gap' : data));
  }

  /** What it gets up to what is live, and whether it is told of a gap. */
  async function untilLive(client: SseTestClient): Promise<string[]> {
    const events: string[] = [];
    while (events.at(-1) !== 'live') {
      const { type, data } = await client.next();
      if (type === 'message' || type === 'gap') events.push(data);
    }
    client.close();
    return events;
  }

  const keepAll = { maxEvents: 5, topics: [{ match: 'job.*' }] };

  it('resume as if nothing had been trimmed, and go on live', async () => {
    await start(keepAll);
    const first = await bus.publish('job.1', { data: '0' });
    for (let n = 1; n <= 300; n++) await bus.publish('job.1', { data: `${n}` });
    await flood();
    const client = await connect('/topics/job.1', first);
    const replayed = await client.take(300);
    expect(replayed.map(({ data }) => Number(data))).toEqual(
      Array.from({ length: 300 }, (_, n) => n + 1),
    );
    await bus.publish('job.1', { data: 'live' });
    expect((await client.next()).data).toBe('live');
    client.close();
  });

  if (survivesRestart) {
    it('resume a thousand events behind the tail after a restart, without a gap', async () => {
      await start(keepAll);
      const first = await bus.publish('job.1', { data: '0' });
      for (let n = 1; n <= 1_000; n += 100) {
        const batch = Array.from({ length: 100 }, (_, index) => `${n + index}`);
        await Promise.all(batch.map((data) => bus.publish('job.1', { data })));
      }
      await flood();
      await app.close();
      await start(keepAll, false);
      const client = await connect('/topics/job.1', first);
      const live = await bus.publish('job.1', { data: 'live' });
      const events = await client.take(1_001);
      expect(events.map(({ data }) => data)).toEqual([
        ...Array.from({ length: 1_000 }, (_, n) => `${n + 1}`),
        'live',
      ]);
      expect(client.lastEventId).toBe(live);
      expect(live.split('.')[0]).toBe(first.split('.')[0]);
      client.close();
    });

    it('tell after a restart what was lost before it', async () => {
      const keepFew = { maxEvents: 5, topics: [{ match: 'job.*', keepEvents: 3 }] };
      await start(keepFew);
      const first = await bus.publish('job.1', { data: '0' });
      for (let n = 1; n <= 9; n++) await bus.publish('job.1', { data: `${n}` });
      await flood();
      await app.close();
      await start(keepFew, false);
      expect(await dataOf(await connect('/topics/job.1', first), 4)).toEqual([
        'gap',
        ...Array.from('789'),
      ]);
    });
  }

  it('stay ended when the tail has forgotten it, and give the rest of them', async () => {
    await start(keepAll);
    const first = await bus.publish('job.1', { data: '0' });
    await bus.publish('job.1', { data: '1' });
    const end = await bus.complete('job.1');
    await flood();
    const late = await Promise.all([connect('/topics/job.1'), connect('/topics/job.1', end)]);
    expect(late.map(({ status }) => status)).toEqual([204, 204]);
    const behind = await connect('/topics/job.1', first);
    expect((await behind.next()).data).toBe('1');
    await behind.closed;
    expect(behind.lastEventId).toBe(end);
    await bus.publish('job.1', { data: 'again' });
    await flood();
    const again = await connect('/topics/job.1', end);
    expect(await dataOf(again, 1)).toEqual(['again']);
  });

  it('are a gap for those that are not kept, told with them', async () => {
    await start(keepAll);
    const first = await bus.publish('other', { data: '0' });
    await bus.publish('job.1', { data: '1' });
    await bus.publish('other', { data: 'lost' });
    await bus.publish('job.1', { data: '2' });
    await flood();
    await bus.publish('other', { data: '3' });
    const client = await connect('/topics/job.1,other', first);
    expect(await dataOf(client, 4)).toEqual(['gap', '1', '2', '3']);
  });

  it('begin at the start, without a gap where nothing is gone', async () => {
    await start(keepAll);
    for (let n = 0; n < 10; n++) await bus.publish('job.1', { data: `${n}` });
    await flood();
    const client = await connect('/topics/job.1?from="start"');
    expect(await dataOf(client, 10)).toEqual(Array.from('0123456789'));
  });

  it('begin at the start with a gap before anything else, where something is', async () => {
    await start({ maxEvents: 5, topics: [{ match: 'job.*', keepEvents: 3 }] });
    for (let n = 0; n < 10; n++) await bus.publish('job.1', { data: `${n}` });
    await flood();
    const client = await connect('/topics/job.1?from="start"');
    const gap = await client.next();
    expect(gap.type).toBe('gap');
    expect(gap.json()).toMatchObject({ reason: 'trimmed', requested: 'start' });
    expect(await dataOf(client, 3)).toEqual(['7', '8', '9']);
  });

  it('of which nothing is kept say so at the start too', async () => {
    await start({ maxEvents: 5 });
    for (let n = 0; n < 10; n++) await bus.publish('a', { data: `${n}` });
    const client = await connect('/topics/a?from="start"');
    expect((await client.next('gap')).json()).toMatchObject({ requested: 'start' });
    expect(await dataOf(client, 5)).toEqual(['5', '6', '7', '8', '9']);
  });

  it('give what there is to those who ask for the earliest', async () => {
    await start({ maxEvents: 5, topics: [{ match: 'job.*', keepEvents: 3 }] });
    for (let n = 0; n < 10; n++) await bus.publish('job.1', { data: `${n}` });
    await flood();
    const client = await connect('/topics/job.1?from="earliest"');
    expect(await dataOf(client, 3)).toEqual(['7', '8', '9']);
  });

  it.each([
    ['what there is', '/topics/TOPICS?from="earliest"'],
    ['more than there is', '/topics/TOPICS?from={"last":20}'],
    ['where it stands', '/announced/TOPICS'],
  ])(
    'have no gap for a client that asked for %s, was told its place and cut off',
    async (_, path) => {
      const topics = [{ match: 'job.*', keepEvents: 3 }, { match: 'all.*' }];
      await start({ maxEvents: 5, topics });
      for (const topic of ['a', 'job.1', 'job.2', 'all.1']) {
        for (let n = 0; n < 5; n++) await bus.publish(topic, { data: `${topic} ${n}` });
      }
      await flood();
      for (const names of ['job.1', 'job.2', 'all.1', 'a', 'a,job.1', 'a,b']) {
        const address = path.replace('TOPICS', names);
        const first = await connect(address);
        await until('it has its place', () => first.lastEventId !== '');
        first.close();
        const place = /^id: (.*)$/m.exec(first.text)?.[1];
        const [again, other] = [await connect(address, place), await connect(address)];
        const live = await bus.publish(names.split(','), { data: 'live' });
        expect(await untilLive(again)).toEqual(await untilLive(other));
        await until('this instance has read it', () => bus.head === live);
      }
    },
  );

  it.each([
    [0, ['live']],
    [2, ['8', '9', 'live']],
    [50, [...Array.from('0123456789'), 'live']],
  ])('give the last %d', async (last, expected) => {
    await start(keepAll);
    for (let n = 0; n < 10; n++) await bus.publish('job.1', { data: `${n}` });
    await flood();
    const client = await connect(`/topics/job.1?from={"last":${last}}`);
    await until('it is connected', () => client.status === 200);
    await bus.publish('job.1', { data: 'live' });
    expect(await dataOf(client, expected.length)).toEqual(expected);
  });

  it.each([
    ['in the tail', 100],
    ['beyond the tail', 5],
  ])('give the last ones of a topic that has ended, %s', async (_, maxEvents) => {
    await start({ ...keepAll, maxEvents });
    await bus.complete('job.1');
    for (let n = 0; n < 10; n++) await bus.publish('job.1', { data: `${n}` });
    for (let n = 0; n < 3; n++) await bus.complete('job.1');
    const end = await bus.complete('job.1');
    await flood();
    for (const last of [1, 2, 50]) {
      const client = await connect(`/topics/job.1?from={"last":${last}}`);
      const expected = Array.from('0123456789').slice(-last);
      expect((await client.take(expected.length)).map(({ data }) => data)).toEqual(expected);
      await client.closed;
      expect(client.lastEventId).toBe(end);
      expect((await connect(`/topics/job.1?from={"last":${last}}`, end)).status).toBe(204);
    }
    expect((await connect('/topics/job.1?from={"last":0}')).status).toBe(204);
  });

  it.each([
    ['in the tail', 100],
    ['in the tail in part', 23],
    ['beyond the tail', 5],
  ])('are read past an end after which they were used again, %s', async (_, maxEvents) => {
    await start({ ...keepAll, maxEvents });
    await bus.complete('job.2');
    const first = await bus.publish('job.1', { data: '1' });
    await bus.publish('job.1', { data: '2' });
    const end = await bus.complete('job.1');
    await bus.publish('job.1', { data: '3' });
    await bus.complete('job.1');
    await bus.publish('job.1', { data: '4' });
    await flood();
    const clients = await Promise.all([
      connect('/topics/job.1?from="start"'),
      connect('/topics/job.2,job.1?from="start"'),
      connect('/topics/job.1?from={"last":4}'),
      connect('/topics/job.1', first),
      connect('/topics/job.1', end),
    ]);
    const seen: unknown[] = [];
    const subscription = bus.stream('job.1', { from: 'start' });
    const outside = lastValueFrom(subscription.pipe(tap(({ data }) => seen.push(data))));
    const before = [...Array.from('1234'), '5'];
    const counts = [4, 4, 4, 3, 2];
    for (const [index, client] of clients.entries())
      expect((await client.take(counts[index] ?? 0)).map(({ data }) => data)).toEqual(
        before.slice(4 - (counts[index] ?? 0), 4),
      );
    await until('it has read all', () => seen.length === 4);
    await bus.publish('job.1', { data: '5' });
    const last = await bus.complete('job.1');
    for (const client of clients) {
      expect((await client.next()).data).toBe('5');
      await client.closed;
      expect(client.lastEventId).toBe(last);
    }
    await outside;
    expect(seen).toEqual(before);
    expect((await connect('/topics/job.1', last)).status).toBe(204);
  });

  it('give the last ones of the tail', async () => {
    await start({});
    for (let n = 0; n < 10; n++) await bus.publish('a', { data: `${n}` });
    expect(await dataOf(await connect('/topics/a?from={"last":3}'), 3)).toEqual(['7', '8', '9']);
    expect(await dataOf(await connect('/topics/a,b?from={"last":11}'), 10)).toHaveLength(10);
  });

  it('begin at a time', async () => {
    await start(keepAll);
    await bus.publish('job.1', { data: 'before' });
    await flood();
    await new Promise((resolve) => setTimeout(resolve, 5));
    const since = Date.now();
    await bus.publish('job.1', { data: 'after' });
    await flood();
    expect(await dataOf(await connect(`/topics/job.1?from={"since":${since}}`), 1)).toEqual([
      'after',
    ]);
    const early = await connect(`/topics/job.1?from={"since":${since - 60_000}}`);
    expect(await dataOf(early, 2)).toEqual(['before', 'after']);
  });

  it('begin at a time with a gap where that may be gone', async () => {
    await start({ maxEvents: 5 });
    const since = Date.now();
    for (let n = 0; n < 10; n++) await bus.publish('a', { data: `${n}` });
    const client = await connect(`/topics/a?from={"since":${since}}`);
    const gap = await client.next('gap');
    expect(gap.json()).toMatchObject({ requested: new Date(since).toISOString() });
    expect(await dataOf(client, 1)).toEqual(['5']);
  });

  it('keep the last event of each key, and what it replaced is no gap', async () => {
    await start({ maxEvents: 5, topics: [{ match: 'price', keepLatestPerKey: true }] });
    const first = await bus.publish('price', { key: 'a', data: 'a0' });
    for (let n = 1; n <= 3; n++) {
      await bus.publish('price', { key: 'a', data: `a${n}` });
      await bus.publish('price', { key: 'b', data: `b${n}` });
    }
    await flood();
    expect(await dataOf(await connect('/topics/price?from="start"'), 2)).toEqual(['a3', 'b3']);
    expect(await dataOf(await connect('/topics/price', first), 2)).toEqual(['a3', 'b3']);
  });

  it('are found by a pattern, or told to be gone where the store cannot be asked for one', async () => {
    await start(keepAll);
    for (let n = 0; n < 6; n++) await bus.publish(`job.${n % 2}`, { data: `${n}` });
    await flood();
    const first = await bus.publish('job.2', { data: '6' });
    await flood();
    const client = await connect('/all', first.replace(/\d+$/, '1'));
    const expected = canMatch ? Array.from('123456') : ['gap', 'live'];
    const received = client.take(expected.length);
    if (!canMatch) await bus.publish('job.2', { data: 'live' });
    expect((await received).map(({ type, data }) => (type === 'gap' ? 'gap' : data))).toEqual(
      expected,
    );
    client.close();
  });

  it('are one event where several of them have it', async () => {
    await start(keepAll);
    const first = await bus.publish('job.0', { data: 'x' });
    for (let n = 0; n < 6; n++) await bus.publish(['job.1', 'job.2'], { data: `${n}` });
    await flood();
    const client = await connect('/topics/job.1,job.2', first);
    await bus.publish('job.1', { data: 'live' });
    expect(await dataOf(client, 7)).toEqual([...Array.from('012345'), 'live']);
  });

  it('end with the event that `until` names, and a client that has it is sent away for good', async () => {
    await start(keepAll);
    const [first] = [
      await bus.publish('job.1', { data: '0' }),
      await bus.publish('job.1', { data: '1' }),
    ];
    const client = await connect('/jobs/1');
    expect(await client.take(2)).toHaveLength(2);
    const done = await bus.publish('job.1', { type: 'done', data: 'x' });
    await client.next('done');
    expect(client.lastEventId).toBe(done);
    await client.closed;
    expect((await connect('/jobs/1', done)).status).toBe(204);
    await flood();
    // Its end is in the archive only, and other topics have moved the client's place on.
    expect((await connect('/jobs/1', done)).status).toBe(204);
    expect((await connect('/jobs/1', bus.head)).status).toBe(204);
    const late = await connect('/jobs/1', first);
    expect((await late.take(2)).map(({ data }) => data)).toEqual(['1', 'x']);
    await late.closed;
    const anew = await connect('/jobs/1');
    expect(await anew.take(3)).toHaveLength(3);
    await anew.closed;
  });

  it('say when they were published, live and from the archive, to subscribers and not on the wire', async () => {
    await start(keepAll);
    const live: SseEvent[] = [];
    const kept: SseEvent[] = [];
    const subscription = bus.stream('job.1').subscribe((event) => live.push(event));
    const begun = Date.now();
    const first = await bus.publish('job.1', { data: '1' });
    const done = Date.now();
    await until('it has come', () => live.length === 1);
    subscription.unsubscribe();
    await flood();
    const again = bus.stream('job.1', { from: 'start' }).subscribe((event) => kept.push(event));
    await until('it has come', () => kept.length === 1);
    again.unsubscribe();
    const [{ at = 0 } = { at: undefined }] = live;
    // Redis has a clock of its own.
    expect(at).toBeGreaterThan(begun - 1_000);
    expect(at).toBeLessThan(done + 1_000);
    expect(kept.map((event) => event.at)).toEqual([at]);
    expect({ ...kept[0] }).not.toHaveProperty('at');
    const client = await connect('/topics/job.1', first.replace(/1$/, '0'));
    expect((await client.next()).data).toBe('1');
    expect(client.text).not.toContain(String(at));
    client.close();
  });

  it('tell a client that asks for it where it stands', async () => {
    await start({});
    const last = await bus.publish('a', { data: '1' });
    const client = await connect('/announced/a');
    const ready = await client.next();
    expect([ready.type, ready.json()]).toEqual([
      'ready',
      { cursor: expect.any(String), resumed: false, heartbeatInterval: 15_000 },
    ]);
    expect((await client.next()).data).toBe('1');
    const caughtUp = await client.next();
    expect([caughtUp.type, caughtUp.json()]).toEqual(['caught-up', { cursor: last, replayed: 1 }]);
    client.close();
    const again = await connect('/announced/a', last);
    expect((await again.next('ready')).json()).toMatchObject({ cursor: last, resumed: true });
    expect((await again.next()).json()).toEqual({ cursor: last, replayed: 0 });
    again.close();
  });

  it('say that it has caught up when operators have let go of what was there', async () => {
    await start({});
    await bus.publish('a', { data: '1' });
    const client = await connect('/delayed/a');
    const types = (await client.take(3)).map(({ type, data }) =>
      type === 'message' ? data : type,
    );
    expect(types).toEqual(['ready', '1', 'caught-up']);
    client.close();
  });

  it('say that it has caught up after a snapshot', async () => {
    await start({});
    await bus.publish('a', { data: '1' });
    const client = await connect('/state');
    const ready = await client.next('ready');
    expect(ready.json()).not.toHaveProperty('cursor');
    const events = await client.take(3);
    expect(events.map(({ type }) => type)).toEqual(['state', 'state', 'caught-up']);
    expect(events[2]?.json()).toMatchObject({ replayed: 2 });
    client.close();
  });
}

describe('In SQLite, topics that are kept beyond the tail', () => {
  let folder: string;
  let logs = 0;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'archive-'));
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  keepsTopics({
    name: 'SQLite',
    canMatch: true,
    survivesRestart: true,
    backplane: (isNew) => {
      if (isNew) logs++;
      return sqliteBackplane({ path: join(folder, `${logs}.db`) });
    },
  });
});

describe('In memory, topics that are kept beyond the tail', () => {
  keepsTopics({
    name: 'memory',
    canMatch: true,
    survivesRestart: false,
    backplane: () => undefined,
  });
});

describeWith(REDIS_SERVER, 'In Redis, topics that are kept beyond the tail', (path) => {
  let redis: RedisServer;
  let logs = 0;

  beforeAll(async () => {
    redis = await RedisServer.start(path);
  });

  afterAll(async () => {
    await redis.stop();
  });

  keepsTopics({
    name: 'Redis',
    canMatch: false,
    survivesRestart: true,
    backplane: (isNew) => {
      if (isNew) logs++;
      return redisBackplane({ url: redis.url, key: `log-${logs}`, checkInterval: 50 });
    },
  });
});
