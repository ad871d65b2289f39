import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Controller, type INestApplication, Inject, Sse } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Backplane, EventBus, type SseEvent, type SseModuleOptions } from 'nestjs-event-stream';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { sqliteBackplane } from 'nestjs-event-stream/sqlite';
import {
  delayWhen,
  filter,
  lastValueFrom,
  map,
  merge,
  type Observable,
  Subject,
  toArray,
} from 'rxjs';
import { RedisServer } from '../redis/support/redis-server.js';
import { Bench, type Client } from '../support/each-adapter.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { turns, until } from '../support/until.js';

type Handler = (bus: EventBus) => Observable<unknown>;
const HANDLER = Symbol('handler');

@Controller()
class PromiseController {
  constructor(
    private readonly bus: EventBus,
    @Inject(HANDLER) private readonly handler: Handler,
  ) {}

  @Sse('stream')
  stream() {
    return this.handler(this.bus);
  }
}

interface Kind {
  readonly adapter: () => AbstractHttpAdapter;
  /** Of one more instance of the log that the test has begun; `isNew` begins another one. */
  readonly backplane: (isNew: boolean) => Backplane | undefined;
  /** Whether two instances can have one log. */
  readonly isShared: boolean;
}

const KEPT = [
  { match: 'job' },
  { match: 'few', keepEvents: 3 },
  { match: 'price', keepLatestPerKey: true },
  { match: 'both.few', keepEvents: 3 },
  { match: 'both.*' },
  { match: 'both.few' },
];

/** The promises about how long what is kept, and where streams begin and end. */
function keepsPromises({ adapter, backplane, isShared }: Kind): void {
  const bench = new Bench(adapter);
  let app: INestApplication;
  let bus: EventBus;

  afterEach(() => bench.stop());

  async function serve(handler: Handler, options: SseModuleOptions = {}, isNew = true) {
    const started = await bench.start({
      sse: { backplane: backplane(isNew), history: { maxEvents: 5, topics: KEPT }, ...options },
      controllers: [PromiseController],
      providers: [{ provide: HANDLER, useValue: handler }],
    });
    if (isNew) [app, bus] = [started, started.get(EventBus)];
    return started;
  }

  function connect(lastEventId?: string, to = app): Promise<Client> {
    return bench.connect(to, '/stream', { lastEventId });
  }

  /** Publishes events to a topic, all at once, with their number as data. */
  async function publish(topic: string, from: number, upTo: number): Promise<string[]> {
    const all = Array.from({ length: upTo - from + 1 }, (_, index) => `${from + index}`);
    return Promise.all(all.map((data) => bus.publish(topic, { data })));
  }

  /** Fills the tail with what nobody reads, so that everything before has left it. */
  async function flood(): Promise<void> {
    const last = (await publish('noise', 1, 8)).at(-1);
    await until('this instance has read it', () => bus.head === last);
    await turns();
  }

  async function dataOf(client: Client, count: number): Promise<string[]> {
    const events = await client.take(count);
    return events.map(({ type, data }) => (type === 'message' ? data : type));
  }

  const numbers = (from: number, upTo: number) =>
    Array.from({ length: upTo - from + 1 }, (_, index) => `${from + index}`);

  it('11. Kept topics outlive the tail: behind the same cursors, in the same order, each event once', async () => {
    await serve(() => bus.stream('job'));
    const [first] = await publish('job', 0, 300);
    await flood();
    const client = await connect(first);
    await bus.publish('job', { data: 'live' });
    expect(await dataOf(client, 301)).toEqual([...numbers(1, 300), 'live']);
  });

  it('11. Kept topics outlive the tail, and a gap is told for what the archive has lost too', async () => {
    await serve(() => bus.stream('few'));
    const [first] = await publish('few', 0, 9);
    await flood();
    const events = await (await connect(first)).take(4);
    expect(events[0]?.json()).toMatchObject({ reason: 'trimmed', requested: first });
    expect(events.slice(1).map(({ data }) => data)).toEqual(['7', '8', '9']);
  });

  it('11. Kept topics outlive the tail as the first rule that matches says, whatever the later ones say', async () => {
    let topic = 'both.few';
    await serve(() => bus.stream(topic, { from: 'start' }));
    await publish('both.few', 1, 9);
    await publish('both.many', 1, 9);
    await flood();
    expect(await dataOf(await connect(), 4)).toEqual(['gap', ...numbers(7, 9)]);
    topic = 'both.many';
    expect(await dataOf(await connect(), 9)).toEqual(numbers(1, 9));
  });

  if (isShared) {
    it('11. Kept topics outlive the tail also of an instance that never had them in it', async () => {
      await serve(() => bus.stream('job'));
      const handler: Handler = (itsBus) => itsBus.stream('job');
      const other = await serve(handler, {}, false);
      const client = await connect(undefined, other);
      await publish('job', 1, 1_000);
      expect(await dataOf(client, 1_000)).toEqual(numbers(1, 1_000));
    });
  }

  it('12. What `keepLatestPerKey` has replaced is no gap', async () => {
    await serve(() => bus.stream('price'));
    const first = await bus.publish('price', { key: 'a', data: 'a0' });
    for (let n = 1; n <= 3; n++) {
      for (const key of ['a', 'b']) await bus.publish('price', { key, data: `${key}${n}` });
    }
    await flood();
    const client = await connect(first);
    await bus.publish('price', { key: 'a', data: 'live' });
    expect(await dataOf(client, 3)).toEqual(['a3', 'b3', 'live']);
  });

  it("13. `from: 'start'` is all that its topics ever had in this log, or a gap before anything else", async () => {
    let topic = 'job';
    await serve(() => bus.stream(topic, { from: 'start' }));
    await publish('job', 1, 20);
    await publish('few', 1, 9);
    await flood();
    expect(await dataOf(await connect(), 20)).toEqual(numbers(1, 20));
    topic = 'few';
    const client = await connect();
    expect((await client.next()).json()).toMatchObject({ reason: 'trimmed', requested: 'start' });
    expect(await dataOf(client, 3)).toEqual(['7', '8', '9']);
  });

  it("13. `from: 'start'` is not the only beginning: a time tells a gap too, the earliest and the last none", async () => {
    const before = new Date(Date.now() - 60_000);
    let from: Date | 'earliest' | { last: number } = before;
    await serve(() => bus.stream('few', { from }));
    await publish('few', 1, 9);
    await flood();
    const asked = await (await connect()).next();
    expect(asked.json()).toMatchObject({ reason: 'trimmed', requested: before.toISOString() });
    from = 'earliest';
    expect(await dataOf(await connect(), 3)).toEqual(['7', '8', '9']);
    from = { last: 2 };
    expect(await dataOf(await connect(), 2)).toEqual(['8', '9']);
    from = { last: 20 };
    expect(await dataOf(await connect(), 3)).toEqual(['7', '8', '9']);
  });

  it("13. `from: 'start'` is not the only beginning: a time that is yet to come is now, and no gap", async () => {
    let topic = 'job';
    const from = new Date(Date.now() + 3_600_000);
    await serve(() => bus.stream(topic, { from }));
    for (topic of ['job', 'unkept']) {
      await publish(topic, 1, 9);
      await flood();
      await publish(topic, 10, 10);
      const client = await connect();
      await bus.publish(topic, { data: 'live' });
      expect(await dataOf(client, 1)).toEqual(['live']);
    }
  });

  it('14. `until` ends a stream after the event for which it is true, also one that `where` drops, in the tail and behind it', async () => {
    await serve(() =>
      bus.stream('job', {
        from: 'start',
        where: ({ type }) => type === undefined,
        until: ({ type }) => type === 'done',
      }),
    );
    await publish('job', 1, 2);
    const live = await connect();
    expect(await dataOf(live, 2)).toEqual(['1', '2']);
    await bus.publish('job', { type: 'done', data: 'dropped' });
    await bus.publish('job', { data: 'too late' });
    await live.closed;
    const soon = await connect();
    await soon.closed;
    await flood();
    const late = await connect();
    await late.closed;
    for (const client of [live, soon, late]) {
      expect(client.text).not.toContain('too late');
      expect(client.text).not.toContain('dropped');
    }
    expect(await Promise.all([dataOf(soon, 2), dataOf(late, 2)])).toEqual([
      ['1', '2'],
      ['1', '2'],
    ]);
  });

  it('15. A client that comes back with its end is answered `204`, and goes on where only some of its streams are over', async () => {
    const untilDone = (topic: string) =>
      bus.stream(topic, { until: ({ type }) => type === 'done' });
    let handler: Handler = () => untilDone('job');
    await serve(() => handler(bus));
    await publish('job', 1, 2);
    const end = await bus.publish('job', { type: 'done', data: 'x' });
    expect((await connect(end)).status).toBe(204);
    await flood();
    expect((await connect(end)).status).toBe(204);
    expect((await connect(bus.head)).status).toBe(204);
    handler = () => merge(untilDone('job'), untilDone('few'));
    const client = await connect(end);
    await publish('few', 1, 1);
    expect(await dataOf(client, 1)).toEqual(['1']);
  });

  it('16. `announce: true` says where a client stands, and never before what an operator still holds', async () => {
    const gate = new Subject<void>();
    await serve(() =>
      bus.stream('job', { from: 'start', announce: true }).pipe(delayWhen(() => gate)),
    );
    const all = await publish('job', 1, 9);
    const client = await connect();
    const ready = await client.next();
    expect([ready.type, ready.json()]).toEqual([
      'ready',
      { cursor: expect.any(String), resumed: false, heartbeatInterval: 15_000 },
    ]);
    await turns(20);
    expect(client.text).not.toContain('caught-up');
    while (!client.text.includes('caught-up')) {
      gate.next();
      await turns(1);
    }
    expect(await dataOf(client, 10)).toEqual([...numbers(1, 9), 'caught-up']);
    const again = await connect(all[8]);
    expect((await again.next()).json()).toMatchObject({ cursor: all[8], resumed: true });
    expect((await again.next()).json()).toEqual({ cursor: all[8], replayed: 0 });
  });

  it.each(['until', 'complete'])(
    '16. `announce: true` says that a client has caught up before its streams end with what was there, by %s',
    async (way) => {
      const untilDone = { until: ({ data }: SseEvent) => way === 'until' && data === '3' };
      const stream = () => bus.stream('job', { from: 'start', announce: true, ...untilDone });
      let handler: Handler = stream;
      await serve(() => handler(bus));
      const [done] = (await publish('job', 1, 3)).slice(2);
      const end = way === 'until' ? done : await bus.complete('job');
      const gate = new Subject<void>();
      const handlers: [Handler, readonly string[]][] = [
        [stream, ['1', '2', '3']],
        [() => stream().pipe(map((event) => event)), ['1', '2', '3']],
        [() => stream().pipe(filter(({ data }) => data === '1')), ['1']],
        [() => stream().pipe(delayWhen(() => gate)), ['1', '2', '3']],
      ];
      for (const flooded of [false, true]) {
        if (flooded) await flood();
        for (const [next, data] of handlers) {
          handler = next;
          const client = await connect();
          expect((await client.next()).type).toBe('ready');
          if (next === handlers[3]?.[0]) {
            await turns(20);
            expect(client.text).not.toContain('caught-up');
            gate.next();
          }
          expect(await dataOf(client, data.length)).toEqual(data);
          expect((await client.next()).json()).toEqual({ cursor: end, replayed: 3 });
          await client.closed;
          expect(client.lastEventId).toBe(end);
          expect((await connect(end)).status).toBe(204);
        }
      }
    },
  );

  it('16. `announce: true` says that a client has caught up with an end that is behind the head, and once', async () => {
    const done = { until: ({ data }: SseEvent) => data === '2' };
    await serve(() =>
      merge(
        bus.stream('job', { from: 'start', announce: true, ...done }),
        bus.stream('few', { from: 'start', until: ({ data }) => data === '5' }),
      ),
    );
    await publish('job', 1, 4);
    await publish('few', 3, 4);
    const client = await connect();
    expect(await dataOf(client, 6)).toEqual(['ready', '1', '2', '3', '4', 'caught-up']);
    await bus.publish('few', { data: '5' });
    await client.closed;
    expect(client.text.match(/caught-up/g)).toHaveLength(1);
    const seen = bus.stream('job', { from: 'start', announce: true, ...done });
    const events = await lastValueFrom(seen.pipe(toArray()));
    expect(events.map(({ type, data }) => type ?? data)).toEqual(['ready', '1', '2', 'caught-up']);
    expect(events.at(-1)?.data).toMatchObject({ replayed: 2 });
  });

  it('17. A herd reads a page of the archive once, and clients within the tail cost the store nothing', async () => {
    await serve(() => bus.stream('job'));
    const { archive } = app.get(Backplane);
    if (archive === undefined) throw new Error('There is an archive where there are rules');
    const read = jest.spyOn(archive, 'read');
    const latest = jest.spyOn(archive, 'latest');
    const [first] = await publish('job', 0, 600);
    await flood();
    const clients = await Promise.all(Array.from({ length: 9 }, () => connect(first)));
    for (const client of clients) expect(await dataOf(client, 600)).toEqual(numbers(1, 600));
    expect(read).toHaveBeenCalledTimes(2);
    await Promise.all(Array.from({ length: 9 }, () => connect(bus.head)));
    expect(latest).toHaveBeenCalledTimes(1);
    const within = await connect(bus.head);
    await bus.publish('job', { data: 'live' });
    expect(await dataOf(within, 1)).toEqual(['live']);
    expect(read).toHaveBeenCalledTimes(2);
  });

  it('18. `bus.complete(topic)` ends a topic for everybody, after all that was published to it before', async () => {
    let topics = ['job'];
    const handler: Handler = (itsBus) => itsBus.stream(topics).pipe(map((event) => event));
    await serve(handler);
    const other = isShared ? await serve(handler, {}, false) : app;
    const [first] = await publish('job', 1, 2);
    const [here, there] = [await connect(first), await connect(first, other)];
    topics = ['job', 'few'];
    const both = await connect(first);
    const end = await bus.complete('job');
    for (const client of [here, there]) {
      await client.closed;
      expect(client.text).toContain('data: 2');
      expect(client.lastEventId).toBe(end);
    }
    await bus.publish('few', { data: 'few' });
    expect(await dataOf(both, 2)).toEqual(['2', 'few']);
    await bus.complete('few');
    await both.closed;
    await flood();
    topics = ['job'];
    expect((await connect(end)).status).toBe(204);
    expect((await connect(undefined, other)).status).toBe(204);
    expect(await dataOf(await connect(first), 1)).toEqual(['2']);
    await bus.publish('job', { data: 'opened again' });
    expect(await dataOf(await connect(end), 1)).toEqual(['opened again']);
  });
}

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('What is promised of what is kept, in memory, on %s', (_, adapter) => {
  keepsPromises({ adapter, backplane: () => undefined, isShared: false });
});

describe('What is promised of what is kept, in SQLite, on Fastify', () => {
  let folder: string;
  let logs = 0;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'promises-'));
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  keepsPromises({
    adapter: () => new FastifyAdapter(),
    backplane: (isNew) => {
      if (isNew) logs++;
      return sqliteBackplane({ path: join(folder, `${logs}.db`) });
    },
    isShared: true,
  });
});

describeWith(REDIS_SERVER, 'What is promised of what is kept, in Redis, on Express', (path) => {
  let redis: RedisServer;
  let logs = 0;

  beforeAll(async () => {
    redis = await RedisServer.start(path);
  });

  afterAll(() => redis.stop());

  keepsPromises({
    adapter: () => new ExpressAdapter(),
    backplane: (isNew) => {
      if (isNew) logs++;
      return redisBackplane({ url: redis.url, key: `log-${logs}`, checkInterval: 50 });
    },
    isShared: true,
  });
});
