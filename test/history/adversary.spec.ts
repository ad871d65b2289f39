import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Controller, Inject, Sse } from '@nestjs/common';
import {
  Backplane,
  EventBus,
  type History,
  MemoryBackplane,
  type TopicRetention,
} from 'nestjs-event-stream';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { sqliteBackplane } from 'nestjs-event-stream/sqlite';
import { delayWhen, type Observable, Subject } from 'rxjs';
import { RedisServer } from '../redis/support/redis-server.js';
import { type Client, onExpress } from '../support/each-adapter.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { turns, until } from '../support/until.js';

type Handler = (bus: EventBus) => Observable<unknown>;
const HANDLER = Symbol('handler');

@Controller()
class HostileController {
  constructor(
    private readonly bus: EventBus,
    @Inject(HANDLER) private readonly handler: Handler,
  ) {}

  @Sse('stream')
  stream() {
    return this.handler(this.bus);
  }
}

/** Lets an instance miss what is published, as one does that was away for longer than the store's tail lasts. */
class Interruption {
  isOn = false;

  constructor(readonly backplane: Backplane) {
    const open = backplane.open.bind(backplane);
    backplane.open = (sink, history) => {
      const append = sink.append.bind(sink);
      sink.append = (offset, record) => {
        if (this.isOn) sink.lose(offset);
        else append(offset, record);
      };
      return open(sink, history);
    };
  }
}

interface Kind {
  backplane(): Backplane;
  /** Whether events have the time of this process. */
  readonly isLocal?: boolean;
  /** Takes the log away, so that another one begins. */
  readonly takeAway?: () => Promise<unknown>;
}

/** What somebody does who wants the archive to lose something in silence. */
function withstands({ backplane: backplaneOf, isLocal = false, takeAway }: Kind): void {
  const bench = onExpress();
  let bus: EventBus;
  let interruption: Interruption;
  let connect: (lastEventId?: string) => Promise<Client>;

  afterEach(() => {
    jest.restoreAllMocks();
  });

  async function serve(handler: Handler, history: Partial<History>): Promise<void> {
    interruption = new Interruption(backplaneOf());
    const { backplane } = interruption;
    const app = await bench.start({
      sse: { backplane, history: { maxEvents: 3, ...history } },
      controllers: [HostileController],
      providers: [{ provide: HANDLER, useValue: handler }],
    });
    bus = app.get(EventBus);
    connect = (lastEventId) => bench.connect(app, '/stream', { lastEventId });
  }

  async function flood(): Promise<void> {
    let last = '';
    for (let n = 0; n < 6; n++) last = await bus.publish('noise', { data: n });
    await until('this instance has read it', () => bus.head === last);
    await turns();
  }

  async function dataOf(client: Client, count: number): Promise<string[]> {
    const events = await client.take(count);
    return events.map(({ type, data }) => (type === 'gap' ? 'gap' : data.slice(0, 10)));
  }

  it('events that are larger than a page come, each once', async () => {
    await serve((from) => from.stream('job'), { topics: [{ match: 'job' }] });
    const first = await bus.publish('job', { data: '0' });
    for (let n = 1; n <= 5; n++) await bus.publish('job', { data: `${n} ${'x'.repeat(300_000)}` });
    await bus.publish('job', { data: '6' });
    await flood();
    const data = await dataOf(await connect(first), 6);
    expect(data.map((text) => text[0])).toEqual(Array.from('123456'));
  });

  it('an archive with less room than one event has loses it, and says so', async () => {
    const rules = { topics: [{ match: 'job' }], archive: { maxBytes: 1_000 } };
    await serve((from) => from.stream('job'), rules);
    const first = await bus.publish('job', { data: '0' });
    await bus.publish('job', { data: 'x'.repeat(5_000) });
    await flood();
    await bus.publish('job', { data: 'after' });
    expect(await dataOf(await connect(first), 2)).toEqual(['gap', 'after']);
  });

  it('a topic that takes all the room costs the others a gap, and nothing in silence', async () => {
    const rules = {
      topics: [{ match: 'quiet' }, { match: 'noisy' }],
      archive: { maxBytes: 20_000 },
    };
    await serve((from) => from.stream('quiet'), rules);
    const first = await bus.publish('quiet', { data: '0' });
    await bus.publish('quiet', { data: 'lost' });
    const noise = Array.from({ length: 200 }, (_, n) => bus.publish('noisy', { data: n }));
    await Promise.all(noise);
    await bus.publish('quiet', { data: 'kept' });
    await flood();
    expect(await dataOf(await connect(first), 2)).toEqual(['gap', 'kept']);
  });

  it('an end that nobody has any more keeps nobody from being told what is lost', async () => {
    const until = ({ type }: { type?: string }) => type === 'done';
    await serve((from) => from.stream('job', { until }), {
      topics: [{ match: 'job', keepEvents: 1 }],
    });
    const first = await bus.publish('job', { data: '0' });
    const end = await bus.publish('job', { type: 'done', data: 'end' });
    await bus.publish('job', { data: 'after the end' });
    await flood();
    expect(await dataOf(await connect(first), 2)).toEqual(['gap', 'after the ']);
    const done = await connect(end);
    expect(done.status).toBe(200);
    expect(await dataOf(done, 1)).toEqual(['after the ']);
  });

  it('a time that many events share begins with the first of them, wherever pages end', async () => {
    let since = new Date();
    await serve((from) => from.stream('job', { from: since }), { topics: [{ match: 'job' }] });
    await bus.publish('job', { data: 'before' });
    await new Promise((resolve) => setTimeout(resolve, 5));
    const all = Array.from({ length: 600 }, (_, n) => bus.publish('job', { data: `${n}` }));
    await Promise.all(all);
    await flood();
    const times: number[] = [];
    const stop = bus.stream('job', { from: 'start' }).subscribe(({ at, data }) => {
      if (data === '0' && at !== undefined) times.push(at);
    });
    await until('its time is known', () => times.length > 0);
    stop.unsubscribe();
    since = new Date(times[0] ?? 0);
    const data = await dataOf(await connect(), 600);
    expect(data).toEqual(Array.from({ length: 600 }, (_, n) => `${n}`));
  });

  it('keys without end leave the last event of each, as far as there is room, and a client that resumes gets them once', async () => {
    await serve((from) => from.stream('price'), {
      topics: [{ match: 'price', keepLatestPerKey: true, keepEvents: 50 }],
    });
    const first = await bus.publish('price', { data: 'first', key: 'k0' });
    const all = Array.from({ length: 300 }, (_, n) =>
      bus.publish('price', { data: `${n}`, key: `k${n % 70}` }),
    );
    await Promise.all(all);
    await flood();
    const data = await dataOf(await connect(first), 51);
    expect(data).toEqual(['gap', ...Array.from({ length: 50 }, (_, n) => `${250 + n}`)]);
  });

  describe('the last n are no more than n, and none of them is left out in silence', () => {
    /** Publishes numbers to a topic, all under one key. */
    async function publish(from: number, upTo: number, isMissed = false): Promise<void> {
      interruption.isOn = isMissed;
      const all = Array.from({ length: upTo - from + 1 }, (_, n) => `${from + n}`);
      const cursors = await Promise.all(all.map((data) => bus.publish('job', { data, key: 'k' })));
      await until('this instance has read it', () => bus.head === cursors.at(-1));
      interruption.isOn = false;
    }

    async function lastOf(expected: readonly string[]): Promise<string[]> {
      const client = await connect();
      await bus.publish('job', { data: 'live' });
      return dataOf(client, expected.length + 1);
    }

    it.each<[string, Omit<TopicRetention, 'match'>, number, readonly string[]]>([
      ['the archive has what was missed of them', { keepEvents: 3 }, 3, ['10', '11', '12']],
      ['it has lost one', { keepEvents: 3 }, 4, ['6', 'gap', '10', '11', '12']],
      ['it has lost all that was missed', { keepEvents: 1 }, 4, ['5', '6', 'gap', '11', '12']],
      ['there are fewer', { keepEvents: 1 }, 9, [...Array.from('123456'), 'gap', '11', '12']],
      ['later ones have replaced them', { keepLatestPerKey: true }, 4, ['5', '6', '11', '12']],
    ])('where the instance has missed some, and %s', async (_, rule, last, expected) => {
      const topics = [{ match: 'job', ...rule }];
      await serve((from) => from.stream('job', { from: { last } }), { maxEvents: 100, topics });
      await publish(1, 6);
      await publish(7, 10, true);
      await publish(11, 12);
      expect(await lastOf(expected)).toEqual([...expected, 'live']);
    });

    it('where the instance has missed all that was before, and nobody has it', async () => {
      const history = { maxEvents: 100, topics: [{ match: 'job', keepEvents: 1 }] };
      await serve((from) => from.stream('job', { from: { last: 9 } }), history);
      await publish(1, 10, true);
      await publish(11, 12);
      expect(await lastOf(['11', '12'])).toEqual(['11', '12', 'live']);
    });
  });

  it('topics of strange names are kept apart', async () => {
    const names = ['a:b', 'a', '{a}', 'b}', '__proto__', 'ü\n', 'a b', 'x'.repeat(1_024), 'k:a'];
    let topic = '';
    await serve((from) => from.stream(topic, { from: 'start' }), { topics: [{ match: '**' }] });
    for (const name of names) await bus.publish(name, { data: `${names.indexOf(name)}` });
    await flood();
    for (const name of names) {
      topic = name;
      expect(await dataOf(await connect(), 1)).toEqual([`${names.indexOf(name)}`]);
    }
  });

  /** A client that has begun to read, while an operator holds all that it gets until the gate opens. */
  async function connectHeld(): Promise<{ client: Client; gate: Subject<void> }> {
    const gate = new Subject<void>();
    await serve(
      (from) =>
        from.stream('job', { from: 'earliest', announce: true }).pipe(delayWhen(() => gate)),
      {},
    );
    for (const data of '123') await bus.publish('job', { data });
    const client = await connect();
    expect((await client.next()).type).toBe('ready');
    return { client, gate };
  }

  it('a client whose operators hold what came before a gap is told that it has all when they have given it', async () => {
    const { client, gate } = await connectHeld();
    interruption.isOn = true;
    const missed = await bus.publish('job', { data: 'missed' });
    expect((await client.next()).json()).toMatchObject({ reason: 'trimmed', resumedAt: missed });
    await turns();
    expect(client.text).not.toContain('caught-up');
    gate.next();
    expect(await dataOf(client, 3)).toEqual(['1', '2', '3']);
    expect((await client.next()).json()).toEqual({ cursor: missed, replayed: 3 });
  });

  if (takeAway !== undefined) {
    it('a client catches up with the log that has taken the place of its own, and is told so', async () => {
      const { client, gate } = await connectHeld();
      await takeAway();
      expect((await client.next()).json()).toMatchObject({ reason: 'epoch' });
      const live = await bus.publish('job', { data: 'live' });
      await until('this instance has read it', () => bus.head === live);
      await turns();
      expect(client.text).not.toContain('caught-up');
      gate.next();
      expect(await dataOf(client, 4)).toEqual(['1', '2', '3', 'live']);
      expect((await client.next()).json()).toEqual({ cursor: live, replayed: 4 });
      expect(bench.logs.find('warn', 'without the id')).toEqual([]);
    });
  }

  if (isLocal) {
    it('a clock that is set back hides nothing from who resumes, or begins at the start', async () => {
      await serve((from) => from.stream('job', { from: 'start' }), { topics: [{ match: 'job' }] });
      const now = Date.now();
      const dates = jest.spyOn(Date, 'now');
      const first = await bus.publish('job', { data: '0' });
      for (let n = 1; n <= 5; n++) {
        dates.mockReturnValue(now - n * 3_600_000);
        await bus.publish('job', { data: `${n}` });
      }
      dates.mockRestore();
      await flood();
      expect(await dataOf(await connect(first), 5)).toEqual(Array.from('12345'));
      expect(await dataOf(await connect(), 6)).toEqual(Array.from('012345'));
    });

    it('a clock that is set back hides nothing from who begins at a time', async () => {
      let since = 0;
      const rule = { match: 'job', keepEvents: 7 };
      await serve((from) => from.stream('job', { from: new Date(since) }), { topics: [rule] });
      const now = Date.now();
      const dates = jest.spyOn(Date, 'now');
      for (const hours of [2, 0, 1, 3]) {
        dates.mockReturnValue(now - hours * 3_600_000);
        await bus.publish('job', { data: `${hours}` });
      }
      since = now;
      expect(await dataOf(await connect(), 3)).toEqual(Array.from('013'));
      await flood();
      expect(await dataOf(await connect(), 3)).toEqual(Array.from('013'));
      // What is lost may be of that time, too.
      for (const data of '456789') await bus.publish('job', { data });
      dates.mockRestore();
      await flood();
      expect(await dataOf(await connect(), 1)).toEqual(['gap']);
    });
  }
}

describe('The archive in memory, with somebody who is against it', () => {
  withstands({ backplane: () => new MemoryBackplane(), isLocal: true });
});

describe('The archive in SQLite, with somebody who is against it', () => {
  let folder: string;
  let logs = 0;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'adversary-'));
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  withstands({ backplane: () => sqliteBackplane({ path: join(folder, `${++logs}.db`) }) });
});

describeWith(REDIS_SERVER, 'The archive in Redis, with somebody who is against it', (path) => {
  let redis: RedisServer;
  let logs = 0;

  beforeAll(async () => {
    redis = await RedisServer.start(path);
  });

  afterAll(() => redis.stop());

  withstands({
    backplane: () => redisBackplane({ url: redis.url, key: `log-${++logs}`, checkInterval: 50 }),
    takeAway: () => redis.control.flushall(),
  });
});
