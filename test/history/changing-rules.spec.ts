import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Backplane, History, TopicRetention } from 'nestjs-event-stream';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { sqliteBackplane } from 'nestjs-event-stream/sqlite';
import { matching } from '../../src/log/matching.js';
import { extentOf } from '../../src/log/pattern-extent.js';
import { RetentionRules } from '../../src/log/retention.js';
import { RecordingSink } from '../../src/testing/recording-sink.js';
import { Random } from '../chaos/random.js';
import { RedisServer } from '../redis/support/redis-server.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';

const SEEDS = Number(process.env['SEEDS'] ?? 5);
const TOPICS = ['a.1', 'a.2', 'b', 'c.d.e'];
const PATTERNS = ['a.*', '*', '**', 'c.**'];
const RULES: readonly TopicRetention[] = [
  { match: 'a.1' },
  { match: 'a.1', keepEvents: 1 },
  { match: 'a.*' },
  { match: 'a.*', keepEvents: 3 },
  { match: 'b', keepFor: 15 },
  { match: 'b', keepLatestPerKey: true },
  { match: '**' },
  { match: '**', keepLatestPerKey: true, keepEvents: 5 },
  { match: 'c.**', keepFor: 5 },
];

interface Published {
  readonly topics: readonly string[];
  readonly key: string | undefined;
  readonly offset: number;
}

interface Instance {
  readonly backplane: Backplane;
  readonly sink: RecordingSink;
  readonly topics: readonly TopicRetention[];
}

/** Instances come and go, each with other rules, as in deploys that follow each other. */
function losesNothingInSilence(backplaneOf: (log: string) => Backplane): void {
  let instances: Instance[];
  let outside: Backplane | undefined;
  let log: string;
  let random: Random;
  let published: Published[];

  afterEach(async () => {
    await Promise.all(instances.map(({ backplane }) => backplane.close()));
    await outside?.close();
  });

  async function open(): Promise<void> {
    const topics = RULES.filter(() => random.next() < 0.35).sort(() => random.next() - 0.5);
    const archive = { maxBytes: random.pick([1_500, 1_000_000]) ?? 1_500 };
    const history: History = {
      maxEvents: random.between(1, 20),
      maxBytes: 1_000_000,
      maxAge: false,
      topics,
      archive,
    };
    const instance = { backplane: backplaneOf(log), sink: new RecordingSink(5_000), topics };
    await instance.backplane.open(instance.sink, history);
    instances.push(instance);
  }

  async function replace(): Promise<void> {
    const old = random.pick(instances);
    if (random.next() < 0.5) await open();
    if (old === undefined || instances.length < 2) return;
    instances = instances.filter((each) => each !== old);
    await old.backplane.close();
  }

  async function publish(): Promise<void> {
    const by = random.next() < 0.2 ? outside : random.pick(instances)?.backplane;
    const topics = TOPICS.filter(() => random.next() < 0.4);
    if (by === undefined || topics.length === 0) return;
    const key = random.next() < 0.6 ? `k${random.between(0, 2)}` : undefined;
    const cursor = await by.publish({ topics, text: 'x', isJson: false, key });
    published.push({ topics, key, offset: Number(cursor.split('.')[1]) });
  }

  /** What an instance that reads a selection would not be given, though it is not told to be lost. */
  async function missing({ backplane, sink }: Instance, topic: string, isPattern: boolean) {
    const rule = matching(topic);
    const selects = (name: string) => (isPattern ? rule.matches(name) : name === topic);
    const selection = { topics: isPattern ? rule : [topic], epoch: sink.epoch };
    const upTo = published.at(-1)?.offset ?? 0;
    const bounds = { after: 0, upTo, maxEvents: 10_000, maxBytes: 1e9 };
    const page = await backplane.archive?.read({ ...selection, ...bounds });
    const { lost = 0, events = [] } = page ?? {};
    const there = new Set(events.map(({ offset }) => offset));
    const isReplaced = (event: Published, name: string) =>
      event.key !== undefined &&
      published.some(
        ({ key, offset, topics }) =>
          offset > event.offset && key === event.key && topics.includes(name),
      );
    return published
      .filter(({ offset }) => offset > lost && offset <= (page?.upTo ?? 0) && !there.has(offset))
      .filter((event) => event.topics.some((name) => selects(name) && !isReplaced(event, name)))
      .map(({ offset }) => `${topic}: ${offset} of ${upTo}, lost ${lost}`);
  }

  /** Beginnings that pass what they are to begin with. */
  async function wrongBeginnings({ backplane, sink }: Instance, topic: string) {
    const selection = { topics: [topic], epoch: sink.epoch };
    const wrong: string[] = [];
    const timed = sink.calls.flatMap((call) =>
      call.kind === 'append' && call.record.topics.includes(topic) ? [call] : [],
    );
    const since = random.pick(timed)?.record.at ?? 0;
    const before = await backplane.archive?.seek(selection, { since });
    const passed = timed.filter(
      ({ offset, record }) => offset <= (before ?? 0) && (record.at ?? 0) >= since,
    );
    // What is lost by then, nobody knows from when it was.
    const bounds = { after: 0, upTo: sink.head, maxEvents: 10_000, maxBytes: 1e9 };
    const page = await backplane.archive?.read({ ...selection, ...bounds });
    const isSilent = passed.filter(({ offset }) => offset > (page?.lost ?? 0));
    for (const { offset } of isSilent) wrong.push(`${topic}: ${offset} since ${since}`);
    return wrong;
  }

  it.each(Array.from({ length: SEEDS }, (_, seed) => seed))(
    'of what topics keep, whatever the rules of others are, and were: %d',
    async (seed) => {
      random = new Random(seed);
      log = `log-${seed}`;
      instances = [];
      published = [];
      const story: string[] = [];
      await open();
      outside = backplaneOf(log);
      outside.openToPublish();
      for (let step = 0; step < 25; step++) {
        if (random.next() < 0.3) await replace();
        for (let count = random.between(0, 4); count > 0; count--) await publish();
        if (random.next() < 0.2) await new Promise((resolve) => setTimeout(resolve, 6));
        story.push(JSON.stringify([published.length, instances.map(({ topics }) => topics)]));
        for (const instance of instances) {
          const last = published.at(-1)?.offset ?? 0;
          await instance.sink.until('it has read all', () => instance.sink.head >= last);
          const rules = new RetentionRules(instance.topics);
          const wrong: string[] = [];
          for (const topic of TOPICS.filter((name) => rules.keeps(name))) {
            wrong.push(...(await missing(instance, topic, false)));
            wrong.push(...(await wrongBeginnings(instance, topic)));
          }
          const isAll = (pattern: string) => extentOf(rules.patterns, pattern) === 'all';
          if (instance.backplane.archive?.knowsRules === true)
            for (const pattern of PATTERNS.filter(isAll))
              wrong.push(...(await missing(instance, pattern, true)));
          expect([wrong, wrong.length > 0 ? story : []]).toEqual([[], []]);
        }
      }
    },
  );
}

describe('In SQLite, nothing is lost in silence', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rules-'));
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  losesNothingInSilence((log) => sqliteBackplane({ path: join(folder, `${log}.db`) }));
});

describeWith(REDIS_SERVER, 'In Redis, nothing is lost in silence', (path) => {
  let redis: RedisServer;

  beforeAll(async () => {
    redis = await RedisServer.start(path);
  });

  afterAll(() => redis.stop());

  losesNothingInSilence((log) => redisBackplane({ url: redis.url, key: log, checkInterval: 50 }));
});
