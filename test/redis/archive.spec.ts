import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Cursor, History } from 'nestjs-event-stream';
import { createPublisher } from 'nestjs-event-stream/publisher';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { TopicMatcher } from '../../src/log/matching.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { Random } from '../chaos/random.js';
import { RedisServer } from './support/redis-server.js';
import { Replica } from './support/replica.js';

/** What an event of the archive counts for beside its header and its data. */
const OVERHEAD = 200;
const SEEDS = Number(process.env['SEEDS'] ?? 10);

describeWith(REDIS_SERVER, 'what Redis keeps beyond the log', (path) => {
  let redis: RedisServer;
  let logs = 0;
  let key: string;
  let replicas: Replica[];

  beforeAll(async () => {
    redis = await RedisServer.start(path);
  });

  afterAll(() => redis.stop());

  beforeEach(() => {
    key = `log-${++logs}`;
    replicas = [];
  });

  afterEach(async () => {
    await Promise.all(replicas.map(({ backplane }) => backplane.close()));
  });

  async function open(history: Partial<History>, publishTimeout = 1_000): Promise<Replica> {
    const options = { url: redis.url, key, publishTimeout };
    const replica = await Replica.open(options, { maxEvents: 5, ...history });
    replicas.push(replica);
    return replica;
  }

  function publish({ backplane }: Replica, topics: string | string[], text = 'x', name?: string) {
    const names = typeof topics === 'string' ? [topics] : topics;
    return backplane.publish({ topics: names, text, isJson: false, key: name });
  }

  async function read({ backplane, sink }: Replica, topic: string, epoch = sink.epoch) {
    const bounds = { after: 0, upTo: 10_000, maxEvents: 10_000, maxBytes: 1e9 };
    const page = await backplane.archive?.read({ topics: [topic], epoch, ...bounds });
    return { lost: page?.lost, offsets: page?.events.map(({ offset }) => offset) };
  }

  const keyOf = (...parts: string[]) => [`{${key}}`, ...parts].join(':');
  const state = async (field: string) => redis.control.hget(keyOf('meta'), field);

  /** What is really there: bytes of all topics, and of each of them what its hash says wrongly. */
  async function count(epoch: string) {
    const wrong: string[] = [];
    let all = 0;
    for (const name of await redis.control.keys(keyOf('kept', epoch, '*'))) {
      const topic = name.slice(keyOf('kept', epoch, '').length);
      const entries = await redis.control.xrange(name, '-', '+');
      const sizes = entries.map(([, [, header = '', , data = '']]) => header.length + data.length);
      const bytes = sizes.reduce((sum, size) => sum + size + OVERHEAD, 0);
      all += bytes;
      const says = await redis.control.hmget(keyOf('topic', epoch, topic), 'c', 'b');
      if (String(says) !== String([entries.length, bytes])) wrong.push(`${topic}: ${String(says)}`);
    }
    return { all, wrong };
  }

  it('counts what is there, whatever removes it, and whichever instance', async () => {
    const topics = [
      { match: 'few.*', keepEvents: 3 },
      { match: 'keyed.*', keepLatestPerKey: true },
      { match: 'short.*', keepFor: 15 },
      { match: 'all.*' },
    ];
    const history = { topics, archive: { maxBytes: 30_000 } };
    const [one, other] = [await open(history), await open(history)];
    for (let round = 0; round < 30; round++) {
      const published = Array.from({ length: 12 }, (_, n) => {
        const number = round * 12 + n;
        const kind = ['few', 'keyed', 'short', 'all'][number % 4] ?? '';
        const names = [`${kind}.${number % 3}`, ...(number % 5 === 0 ? ['all.9', 'noise'] : [])];
        const instance = number % 3 === 0 ? one : other;
        return publish(instance, names, 'x'.repeat(number % 40), `k${number % 7}`);
      });
      await Promise.all(published);
      const { all, wrong } = await count(one.sink.epoch);
      expect([round, wrong, String(all)]).toEqual([round, [], await state('ab')]);
      expect(all).toBeLessThanOrEqual(30_000);
    }
    expect((await read(one, 'keyed.1')).offsets?.length).toBeLessThanOrEqual(7);
  });

  it('is told to be lost of a topic that was emptied so long ago that it is forgotten', async () => {
    const replica = await open({ topics: [{ match: 'job.*', keepFor: 10 }, { match: 'other' }] });
    for (let n = 0; n < 3; n++) await publish(replica, 'job.1');
    const due = keyOf('due', replica.sink.epoch);
    await until('job.1 is empty', async () => {
      await publish(replica, 'other');
      return (await redis.control.xlen(keyOf('kept', replica.sink.epoch, 'job.1'))) === 0;
    });
    expect(Number(await redis.control.zscore(due, 'job.1'))).toBeGreaterThan(Date.now());
    await redis.control.zadd(due, 1, 'job.1');
    await publish(replica, 'other');
    expect(await redis.control.keys(keyOf('*', replica.sink.epoch, 'job.1'))).toEqual([]);
    expect(await read(replica, 'job.1')).toEqual({ lost: 3, offsets: [] });
    expect(await read(replica, 'job.2')).toEqual({ lost: 0, offsets: [] });
    const offset = offsetOf(await publish(replica, 'job.1'));
    expect(await read(replica, 'job.1')).toEqual({ lost: 3, offsets: [offset] });
  });

  it('is told to be lost where Redis or somebody else has removed it, and what comes later is kept', async () => {
    const replica = await open({ topics: [{ match: 'job.*' }] });
    const { epoch } = replica.sink;
    const keys = [keyOf('kept', epoch, 'job.1'), keyOf('topic', epoch, 'job.1')];
    let last = 0;
    for (const removed of [keys.slice(0, 1), keys.slice(1), keys]) {
      for (let n = 0; n < 3; n++) last = offsetOf(await publish(replica, 'job.1'));
      await redis.control.del(...removed);
      expect((await read(replica, 'job.1')).lost).toBe(last);
      const next = offsetOf(await publish(replica, 'job.1'));
      const { lost, offsets } = await read(replica, 'job.1');
      expect([removed, lost, offsets?.at(-1)]).toEqual([removed, last, next]);
      last = next;
    }
    await redis.control.del(keyOf('kept', epoch, 'job.1'));
    await publish(replica, 'job.2');
    expect((await read(replica, 'job.1')).lost).toBe(last);
  });

  it('is told to be lost where nothing is left of it but the state', async () => {
    const replica = await open({ topics: [{ match: 'job.*' }] });
    const { epoch } = replica.sink;
    await publish(replica, 'job.1');
    await publish(replica, 'job.2');
    await redis.control.del(
      keyOf('kept', epoch, 'job.1'),
      keyOf('topic', epoch, 'job.1'),
      keyOf('by-age', epoch),
      keyOf('due', epoch),
    );
    expect(await read(replica, 'job.1')).toEqual({ lost: 2, offsets: [] });
    await publish(replica, 'job.3');
    expect((await read(replica, 'job.1')).lost).toBe(2);
    await publish(replica, 'job.1');
    expect(await read(replica, 'job.1')).toEqual({ lost: 2, offsets: [4] });
    expect(await read(replica, 'job.2')).toMatchObject({ offsets: [2] });
  });

  describe('whichever keys somebody removes, and whenever', () => {
    const rules = [
      { match: 'few.*', keepEvents: 3 },
      { match: 'keyed.*', keepLatestPerKey: true },
      { match: 'short.*', keepFor: 15 },
      { match: 'all.*' },
    ];
    const kinds = ['few', 'keyed', 'short', 'all', '$own.whole', '$own.keep'];
    let random: Random;
    let replica: Replica;
    let published: { topic: string; name: string; offset: number }[];

    async function publishSome(): Promise<void> {
      const some = Array.from({ length: random.between(1, 8) }, () => {
        const topic = `${random.pick(kinds) ?? ''}.${random.between(0, 2)}`;
        return { topic, name: topic.startsWith('$') ? '20~k' : `k${random.between(0, 3)}` };
      });
      const cursors = await Promise.all(
        some.map(({ topic, name }) => publish(replica, topic, 'x', name)),
      );
      for (const [index, cursor] of cursors.entries()) {
        const { topic = '', name = '' } = some[index] ?? {};
        published.push({ topic, name, offset: offsetOf(cursor) });
      }
    }

    async function removeSome(): Promise<readonly string[]> {
      const keys = await redis.control.keys(keyOf('*', replica.sink.epoch, '*'));
      const ofAll = ['by-age', 'due', 'forgotten'].map((kind) => keyOf(kind, replica.sink.epoch));
      const removed = Array.from(
        { length: random.between(0, 5) },
        () => random.pick([...keys.sort(), ...ofAll]) ?? '',
      );
      if (removed.length > 0) await redis.control.del(...removed);
      return removed;
    }

    /** One event of a topic. */
    async function removeOne(): Promise<string> {
      const streams = await redis.control.keys(keyOf('kept', replica.sink.epoch, '*'));
      const stream = random.pick(streams.sort()) ?? '';
      const entries = await redis.control.xrange(stream, '-', '+');
      const [id = '0-0'] = random.pick(entries) ?? [];
      await redis.control.xdel(stream, id);
      return `${id} of ${stream}`;
    }

    /** Of what is empty nobody is likely to ask any more. */
    async function forgetWhatIsEmpty(): Promise<void> {
      const due = keyOf('due', replica.sink.epoch);
      for (const topic of await redis.control.zrange(due, '0', '-1')) {
        const isEmpty =
          (await redis.control.exists(keyOf('kept', replica.sink.epoch, topic))) === 0;
        if (isEmpty) await redis.control.zadd(due, 'XX', 1, topic);
      }
    }

    /** What is not there, and not told to be lost. */
    async function missing(): Promise<unknown[]> {
      const topics = [...new Set(published.map(({ topic }) => topic))];
      const pages = await Promise.all(topics.map((topic) => read(replica, topic)));
      return published.filter(({ topic, name, offset }, index) => {
        const { lost = 0, offsets = [] } = pages[topics.indexOf(topic)] ?? {};
        const isReplaced =
          topic.startsWith('keyed') &&
          published.some((one, at) => at > index && one.topic === topic && one.name === name);
        return offset > lost && !offsets.includes(offset) && !isReplaced;
      });
    }

    it.each(Array.from({ length: SEEDS }, (_, seed) => seed))(
      'none of their events is lost in silence: %d',
      async (seed) => {
        random = new Random(seed);
        replica = await open({ topics: rules, archive: { maxBytes: 20_000 } }, 10_000);
        published = [];
        const history: string[] = [];
        for (let round = 0; round < 8; round++) {
          await publishSome();
          if (random.next() < 0.3) await forgetWhatIsEmpty();
          const one = random.next() < 0.3 ? await removeOne() : '';
          const removed = await removeSome();
          history.push(`after ${published.at(-1)?.offset} removes ${one}, ${removed.join()}`);
          const silent = await missing();
          expect([silent, silent.length > 0 ? history : []]).toEqual([[], []]);
        }
      },
    );

    it.each(Array.from({ length: SEEDS }, (_, seed) => seed))(
      'nothing stays for ever, if each was there again before the next: %d',
      async (seed) => {
        random = new Random(seed);
        replica = await open({ topics: rules, archive: { maxBytes: 2_000 } }, 10_000);
        published = [];
        const { epoch } = replica.sink;
        for (let round = 0; round < 12; round++) {
          await publishSome();
          const topics = await redis.control.keys(keyOf('*', epoch, '*'));
          const ofAll = ['by-age', 'due', 'forgotten'].map((kind) => keyOf(kind, epoch));
          await redis.control.del(random.pick([...topics.sort(), ...ofAll, ...ofAll]) ?? '');
        }
        const tooOld = [keyOf('kept', epoch, 'short.*'), keyOf('kept', epoch, '$*')];
        await until('what is too old is gone', async () => {
          await publish(replica, 'all.0');
          const left = await Promise.all(tooOld.map((pattern) => redis.control.keys(pattern)));
          return left.flat().length === 0;
        });
        expect((await count(epoch)).all).toBeLessThanOrEqual(2_000);
        const known = await redis.control.zrange(keyOf('due', epoch), '0', '-1');
        const keys = await redis.control.keys(keyOf('*', epoch, '*'));
        const names = keys.map((name) => name.split(`:${epoch}:`)[1] ?? '');
        expect(names.filter((name) => !known.includes(name))).toEqual([]);
      },
    );
  });

  it('is told to be lost where somebody has removed one event, also when older ones go later', async () => {
    const replica = await open({ topics: [{ match: 'job', keepEvents: 3 }] });
    const { epoch } = replica.sink;
    for (let n = 0; n < 3; n++) await publish(replica, 'job');
    const entries = await redis.control.xrange(keyOf('kept', epoch, 'job'), '2', '2');
    await redis.control.xdel(keyOf('kept', epoch, 'job'), entries[0]?.[0] ?? '');
    for (const rest of [
      [1, 3, 4],
      [3, 4, 5],
      [4, 5, 6],
    ]) {
      await publish(replica, 'job');
      expect(await read(replica, 'job')).toEqual({ lost: 3, offsets: rest });
    }
  });

  describe.each(['due', 'by-age'])('when somebody has removed %s', (kind) => {
    const history = {
      topics: [
        { match: 'short', keepFor: 20 },
        { match: 'long', keepFor: 60_000 },
        { match: '**' },
      ],
      archive: { maxBytes: 20_000 },
    };

    async function topicsKept(): Promise<string[]> {
      const prefix = keyOf('kept', replicas[0]?.sink.epoch ?? '', '');
      const keys = await redis.control.keys(`${prefix}*`);
      return keys.map((name) => name.slice(prefix.length)).sort();
    }

    it('goes when it is too old, and not before, though its topics get nothing any more', async () => {
      const replica = await open(history);
      for (const name of ['short', 'long', 'ever']) await publish(replica, name);
      for (const name of ['$own.keep.short', '$own.whole.short'])
        await publish(replica, name, 'x', '10~');
      for (const name of ['$own.keep.long', '$own.whole.long'])
        await publish(replica, name, 'x', '60000~');
      await redis.control.del(keyOf(kind, replica.sink.epoch));
      const staying = ['$own.keep.long', '$own.whole.long', 'ever', 'long', 'other'];
      await until('what is too old is gone', async () => {
        await publish(replica, 'other');
        return (await topicsKept()).length <= staying.length;
      });
      for (let n = 0; n < 10; n++) await publish(replica, 'other');
      expect(await topicsKept()).toEqual(staying);
      for (const [index, name] of ['long', 'ever'].entries())
        expect(await read(replica, name)).toEqual({ lost: 0, offsets: [index + 2] });
      expect((await read(replica, 'short')).lost).toBe(1);
      expect(await read(replica, 'never')).toEqual({ lost: 0, offsets: [] });
    });

    it('is no more than there is room for, and the oldest goes first', async () => {
      const replica = await open(history);
      for (let n = 0; n < 30; n++) await publish(replica, `silent.${n % 3}`, 'x'.repeat(300));
      await publish(replica, '$own.keep', 'x'.repeat(300), '60000~');
      await redis.control.del(keyOf(kind, replica.sink.epoch));
      for (let n = 0; n < 20; n++) await publish(replica, 'new', 'x'.repeat(300));
      expect((await count(replica.sink.epoch)).all).toBeLessThanOrEqual(21_000);
      const left: number[] = [];
      for (const name of ['silent.0', 'silent.1', 'silent.2', '$own.keep', 'new'])
        left.push(...((await read(replica, name)).offsets ?? []));
      left.sort((a, b) => a - b);
      expect(left).toEqual(left.map((_, index) => 52 - left.length + index));
      expect([left.at(-1), left.length > 31]).toEqual([51, true]);
    });
  });

  it.each([
    ['an instance is the first to come', false],
    ['a publisher outside is the first to come', true],
  ])('leaves nothing behind where somebody has removed the state, and %s', async (_, isOutside) => {
    const replica = await open({ topics: [{ match: '*' }] });
    const { epoch } = replica.sink;
    await publish(replica, 'job');
    await publish(replica, '$own.keep', 'x', '60000~');
    await redis.control.del(keyOf('meta'));
    if (isOutside) {
      const outside = redisBackplane({ url: redis.url, key });
      outside.openToPublish();
      await outside.publish({ topics: ['job'], text: 'x', isJson: false });
      await outside.close();
    }
    await until('another epoch', () => replica.sink.epoch > epoch);
    await until('nothing is left', async () => {
      const keys = [...(await redis.control.keys(keyOf('*', epoch, '*')))];
      return [...keys, ...(await redis.control.keys(keyOf('*', epoch)))].length === 0;
    });
  });

  it('has no more keys of events than events', async () => {
    const rule = { match: 'keyed', keepLatestPerKey: true };
    for (const bound of [{ keepEvents: 3 }, { keepFor: 10 }]) {
      key = `${key}-`;
      const replica = await open({ topics: [{ ...rule, ...bound }, { match: 'other' }] });
      for (let n = 0; n < 30; n++) await publish(replica, 'keyed', 'x', `key ${n % 20}`);
      const { epoch } = replica.sink;
      const keysOf = async () =>
        (await redis.control.hkeys(keyOf('topic', epoch, 'keyed'))).filter((each) =>
          each.startsWith('k:'),
        ).length;
      await until('what is too old has gone', async () => {
        await publish(replica, 'other');
        return (await redis.control.xlen(keyOf('kept', epoch, 'keyed'))) <= 3;
      });
      expect(await keysOf()).toBeLessThanOrEqual(3);
    }
  });

  it('is kept of what publishers send by the rules of the instances, whatever theirs are', async () => {
    const topics = [{ match: 'job.*' }, { match: 'a.**', keepEvents: 2 }, { match: '*' }];
    const replica = await open({ topics });
    const publishers = [undefined, [], [{ match: 'a.**' }]].map((rules) =>
      createPublisher(redisBackplane({ url: redis.url, key }), { history: { topics: rules } }),
    );
    const event = { data: 1, key: 'k' };
    for (const publisher of publishers) await publisher.publish(['job.1', 'a.b.c', 'x.y'], event);
    for (const publisher of publishers) await publisher.publish(['job', 'a.b', 'a'], event);
    await Promise.all(publishers.map((publisher) => publisher.close()));
    const found: Record<string, unknown> = {};
    for (const topic of ['job.1', 'a.b.c', 'x.y', 'job', 'a.b', 'a']) {
      found[topic] = Object.values(await read(replica, topic));
    }
    expect(found).toEqual({
      'job.1': [0, [1, 2, 3]],
      'a.b.c': [1, [2, 3]],
      'x.y': [6, []],
      job: [0, [4, 5, 6]],
      'a.b': [4, [5, 6]],
      a: [0, [4, 5, 6]],
    });
  });

  it('is of the topics that a rule selects for the instances too', async () => {
    const names = [
      'a',
      'a.b',
      'a.b.c',
      'b.b',
      'a.',
      '.a',
      'a..c',
      '$x',
      '$x.y',
      'a.b.',
      'ü.ñ',
      'a*',
      'x',
    ];
    for (const match of ['*', '**', 'a.*', 'a.**', '*.b', 'a', '*.*', 'a.*.c', 'a.b.**', '*.**']) {
      key = `${key}-`;
      const { sink } = await open({ topics: [{ match }] });
      const outside = redisBackplane({ url: redis.url, key });
      outside.openToPublish();
      await outside.publish({ topics: names, text: 'x', isJson: false });
      await outside.close();
      const keys = await redis.control.keys(keyOf('kept', sink.epoch, '*'));
      const kept = keys.map((name) => name.slice(keyOf('kept', sink.epoch, '').length));
      const matcher = new TopicMatcher(match);
      expect([match, kept.sort()]).toEqual([
        match,
        names.filter((each) => matcher.matches(each)).sort(),
      ]);
    }
  });

  it.each([
    ['in the future', '0'],
    ['of which there are none left', '18446744073709551614'],
    ['that no double holds', '18446744073709551000'],
  ])('was published when the log says so, after ids of somebody else %s', async (_, sequence) => {
    const replica = await open({ maxEvents: 100, topics: [{ match: 'job' }] });
    const { epoch } = replica.sink;
    await publish(replica, 'job', 'before');
    const future = Date.now() + 3_600_000;
    await redis.control.xadd(keyOf('log'), `${future}-${sequence}`, 'not', 'ours');
    for (let n = 0; n < 4; n++) await publish(replica, ['job', 'other'], `${n}`);
    await replica.received('3');
    expect(replica.losses).toBe(0);
    const live = replica.sink.calls.flatMap((call) =>
      call.kind === 'append' ? [[call.offset, call.record.at]] : [],
    );
    const bounds = { after: 0, upTo: 10, maxEvents: 10, maxBytes: 1e9 };
    const page = await replica.backplane.archive?.read({ topics: ['job'], epoch, ...bounds });
    expect(page?.events.map(({ offset, record }) => [offset, record.at])).toEqual(live);
    expect((await count(epoch)).wrong).toEqual([]);
    const since = Number(live.at(-1)?.[1]);
    expect(since).toBeGreaterThanOrEqual(future);
    // What is removed has lost those, too: nobody is told that they were before that time.
    await redis.control.del(keyOf('kept', epoch, 'job'));
    const before = await replica.backplane.archive?.seek({ topics: ['job'], epoch }, { since });
    expect(before).toBeLessThan(5);
    await publish(replica, 'job', 'after');
    const later = await replica.backplane.archive?.seek({ topics: ['job'], epoch }, { since });
    expect(later).toBeLessThan(5);
  });

  it('was published when the log says so, whatever the clock of Redis does in a script', async () => {
    const replica = await open({ maxEvents: 10_000, topics: [{ match: 'job' }] });
    const { epoch } = replica.sink;
    for (let round = 0; round < 5; round++) {
      await Promise.all(Array.from({ length: 200 }, () => publish(replica, 'job')));
    }
    await replica.sink.until('all have come', () => replica.sink.head === 1_000);
    const live = replica.sink.calls.flatMap((call) =>
      call.kind === 'append' ? [call.record.at] : [],
    );
    const bounds = { after: 0, upTo: 10_000, maxEvents: 10_000, maxBytes: 1e9 };
    const page = await replica.backplane.archive?.read({ topics: ['job'], epoch, ...bounds });
    const others = page?.events.filter(({ offset, record }) => record.at !== live[offset - 1]);
    expect([page?.events.length, others?.length]).toEqual([1_000, 0]);
  });

  it('refuses what is published, and has lost what was kept, if what is there is not of this package', async () => {
    const replica = await open({ topics: [{ match: '*' }] });
    const { epoch } = replica.sink;
    await redis.control.set(keyOf('kept', epoch, 'taken'), 'by somebody else');
    const refused = publish(replica, 'taken');
    await expect(refused).rejects.toMatchObject({ code: 'BACKPLANE_UNAVAILABLE' });
    await expect(refused).rejects.toThrow('WRONGTYPE');
    expect(offsetOf(await publish(replica, 'free'))).toBe(1);
    expect(await read(replica, 'taken')).toEqual({ lost: 1, offsets: [] });
    expect(await read(replica, 'free')).toEqual({ lost: 0, offsets: [1] });
  });

  it('leaves nothing behind when another epoch begins, and is lost then', async () => {
    const replica = await open({ topics: [{ match: 'job.*', keepFor: 10 }, { match: 'other' }] });
    const { epoch } = replica.sink;
    await publish(replica, 'job.1');
    await until('job.1 is empty', async () => {
      await publish(replica, 'other');
      return (await redis.control.xlen(keyOf('kept', epoch, 'job.1'))) === 0;
    });
    const before = replica.sink.head;
    expect((await redis.control.keys(keyOf('*', epoch, '*'))).length).toBeGreaterThan(0);
    await redis.control.hset(keyOf('meta'), 'n', 0);
    await until('another epoch', () => replica.sink.epoch > epoch);
    expect(await redis.control.keys(keyOf('*', epoch, '*'))).toEqual([]);
    expect(await redis.control.keys(keyOf('*', epoch))).toEqual([]);
    expect(await read(replica, 'other', epoch)).toEqual({ lost: 10_000, offsets: [] });
    expect(before).toBeGreaterThan(1);
    await publish(replica, 'other');
    expect(await read(replica, 'other')).toEqual({ lost: 0, offsets: [1] });
  });

  it('is held to its bounds with very many topics too', async () => {
    const topics = [{ match: 'job.*', keepFor: 20 }, { match: 'user.*' }];
    const replica = await open({ topics, archive: { maxBytes: 50_000 } });
    const { epoch } = replica.sink;
    const names = Array.from({ length: 600 }, (_, n) => [`job.${n}`, `user.${n}`]);
    for (let start = 0; start < names.length; start += 100) {
      await Promise.all(names.slice(start, start + 100).map((each) => publish(replica, each)));
    }
    await until('what is too old is gone', async () => {
      await Promise.all(names.slice(0, 100).map(() => publish(replica, 'user.new')));
      const due = await redis.control.zcount(keyOf('due', epoch), 0, Date.now());
      return due === 0;
    });
    const { all, wrong } = await count(epoch);
    expect([wrong, String(all)]).toEqual([[], await state('ab')]);
    expect(all).toBeLessThanOrEqual(50_000);
    expect((await read(replica, 'user.7')).lost).toBe(8);
  });
});

function offsetOf(cursor: Cursor): number {
  return Number(cursor.split('.')[1]);
}
