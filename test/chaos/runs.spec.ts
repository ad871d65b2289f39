import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as elapse } from 'node:timers/promises';
import { RedisServer } from '../redis/support/redis-server.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { Random } from './random.js';
import { buildRunInstance, RunInstance } from './run-fleet.js';
import type { RunInstanceOptions } from './run-instance.js';
import { RunReader } from './run-reader.js';

/** `npm run chaos` sets more. */
const SECONDS = Number(process.env['CHAOS_SECONDS'] ?? 4);
const SEED = Number(process.env['CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
/** One of the two: 'redis' or 'sqlite'. */
const ASKED = process.env['CHAOS_STORE'];
const INSTANCES = 3;
const LEASE = 1_000;
/** How many events instances have in memory: those that have few read runs from the archive, those that have many load them when they start. */
const TAILS = [100, 2_000, undefined];
/** Milliseconds that a run takes by itself, at most. */
const LONGEST = 1_500;

type Fault =
  | 'none'
  | 'kill the owner'
  | 'kill another instance'
  | 'kill connections'
  | 'pause the owner'
  | 'pause another instance'
  | 'stop from anywhere';
const FAULTS: readonly Fault[] = [
  ...(['none', 'kill the owner', 'kill another instance', 'kill connections'] as const),
  ...(['pause the owner', 'pause another instance', 'stop from anywhere'] as const),
];

/** Instances of which there are always so many. */
class RunFleet {
  readonly instances: RunInstance[] = [];

  constructor(private readonly starts: () => Promise<RunInstance>) {}

  async fill(): Promise<void> {
    const missing = INSTANCES - this.instances.length;
    const started = Array.from({ length: missing }, () => this.starts());
    this.instances.push(...(await Promise.all(started)));
  }

  async kill(instance: RunInstance): Promise<void> {
    this.instances.splice(this.instances.indexOf(instance), 1);
    await instance.kill();
    await this.fill();
  }

  async stop(): Promise<void> {
    for (const instance of this.instances) instance.resume();
    await Promise.all(this.instances.splice(0).map((instance) => instance.kill()));
  }
}

/** What the instances share. */
interface Store {
  readonly options: RunInstanceOptions;
  /** Undefined if there are none. */
  readonly killConnections?: (random: Random) => Promise<void>;
}

function chaosOf(open: () => Promise<Store>): void {
  let store: Store;
  let built: Awaited<ReturnType<typeof buildRunInstance>>;
  let fleet: RunFleet | undefined;

  beforeAll(async () => {
    [store, built] = await Promise.all([open(), buildRunInstance()]);
  }, 60_000);
  afterEach(() => fleet?.stop());
  afterAll(() => built.remove());

  it(
    'each run ends once, for every reader, who gets what was acknowledged, once and in order, in time',
    async () => {
      const random = new Random(SEED);
      const happened = new Map<string, number>();
      const tails = random.fork();
      fleet = new RunFleet(() =>
        RunInstance.start(built.folder, { ...store.options, maxEvents: tails.pick(TAILS) }),
      );
      await fleet.fill();
      const end = performance.now() + SECONDS * 1_000;
      for (let round = 0; round === 0 || performance.now() < end; round++) {
        const faults = await runOnce(fleet, store, random.fork(), `${round}`, happened);
        expect({ seed: SEED, round, faults }).toEqual({ seed: SEED, round, faults: [] });
      }
      if (SECONDS > 60) process.stderr.write(`${JSON.stringify(Object.fromEntries(happened))}\n`);
    },
    SECONDS * 1_000 + 60_000,
  );
}

if (ASKED !== 'sqlite') {
  describeWith(REDIS_SERVER, `chaos of runs on Redis, with CHAOS_SEED=${SEED}`, (path) => {
    let redis: RedisServer;
    afterAll(() => redis.stop());
    chaosOf(async () => {
      redis = await RedisServer.start(path);
      return {
        options: { url: redis.url, lease: LEASE },
        killConnections: async (random) => {
          for (let time = 0; time < 3; time++) {
            await redis.killClients(random.pick([':publish', ':read']) ?? '');
            await elapse(random.between(1, 100));
          }
        },
      };
    });
  });
}

if (ASKED !== 'redis') {
  describe(`chaos of runs on SQLite, with CHAOS_SEED=${SEED}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'nes-chaos-'));
    afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    chaosOf(() => Promise.resolve({ options: { path: join(folder, 'events.db'), lease: LEASE } }));
  });
}

/** One run, one fault, and what was wrong with what its readers got. */
async function runOnce(
  fleet: RunFleet,
  store: Store,
  random: Random,
  id: string,
  happened: Map<string, number>,
): Promise<string[]> {
  const interval = random.pick([0, 1, 5, 20]) ?? 1;
  const tokens = Math.floor(random.between(1, LONGEST / Math.max(interval, 2)));
  const faults = FAULTS.filter((each) => each !== 'kill connections' || store.killConnections);
  const fault = random.pick(faults) ?? 'none';
  const starters = [random.pick(fleet.instances), random.pick(fleet.instances)];
  const started = await Promise.all(
    starters.map(async (starter) => ({
      starter,
      run: await starter?.begin(id, { tokens, interval }),
    })),
  );
  const winners = started.filter(({ run }) => run?.isNew === true);
  const owner = winners[0]?.starter;
  if (owner === undefined || winners.length > 1) return [`${winners.length} have started it`];
  const readers = Array.from({ length: 4 }, () => {
    const own = random.fork();
    const url = () => own.pick(fleet.instances)?.url ?? '';
    return new RunReader(id, url, () => (own.next() < 0.5 ? Infinity : own.between(20, 500)));
  });
  const reading = Promise.all(readers.map((reader) => reader.read()));
  await elapse(random.between(0, LONGEST / 2));
  await cause(fault, owner, fleet, store, random, id);
  const bound = setTimeout(
    () => {
      for (const reader of readers) reader.giveUp();
    },
    LONGEST * 3 + LEASE + 5_000,
  );
  await reading;
  clearTimeout(bound);
  const acknowledged = owner.isAlive ? ((await owner.emitted(id))?.acknowledged ?? []) : [];
  const key = `${fault}: ${statusOf(readers[0])}`;
  happened.set(key, (happened.get(key) ?? 0) + 1);
  return verdictOf(readers, { owner, tokens, acknowledged }).map((wrong) => `${key}: ${wrong}`);
}

async function cause(
  fault: Fault,
  owner: RunInstance,
  fleet: RunFleet,
  store: Store,
  random: Random,
  id: string,
): Promise<void> {
  const other = random.pick(fleet.instances.filter((each) => each !== owner));
  const paused = fault === 'pause the owner' ? owner : other;
  switch (fault) {
    case 'kill the owner':
      return fleet.kill(owner);
    case 'kill another instance':
      return other === undefined ? undefined : fleet.kill(other);
    case 'kill connections':
      return store.killConnections?.(random);
    case 'pause the owner':
    case 'pause another instance':
      paused?.pause();
      await elapse(random.between(LEASE / 2, LEASE * 2));
      paused?.resume();
      return;
    case 'stop from anywhere':
      await Promise.all([owner.stop(id), other?.stop(id)]);
      return;
    case 'none':
  }
}

interface Truth {
  readonly owner: RunInstance;
  readonly tokens: number;
  /** In their order. */
  readonly acknowledged: readonly string[];
}

function verdictOf(
  readers: readonly RunReader[],
  { owner, tokens, acknowledged }: Truth,
): string[] {
  const wrong: string[] = [];
  const [first] = readers;
  const all = Array.from({ length: tokens }, (_, n) => `${owner.pid}:${n}`);
  for (const [number, reader] of readers.entries()) {
    const got = reader.tokens;
    if (!reader.isOver) wrong.push(`reader ${number} waits after ${got.length} tokens`);
    else if (reader.ends.length !== 1)
      wrong.push(`reader ${number} had ends ${reader.ends.join()}`);
    if (reader.late.length > 0)
      wrong.push(`reader ${number} got after the end ${reader.late.join()}`);
    const others = reader.others.filter((text) => !text.startsWith('gap'));
    if (others.length + reader.others.length > 0) wrong.push(reader.others.join());
    if (got.join() !== all.slice(0, got.length).join())
      wrong.push(
        `reader ${number} got ${got.slice(0, 5).join()} … of ${got.length}, not as emitted`,
      );
    if (got.length !== first?.tokens.length)
      wrong.push(`reader ${number} got ${got.length} tokens`);
    if (reader.ends.join() !== first?.ends.join()) wrong.push(`reader ${number} had another end`);
  }
  const got = new Set(first?.tokens);
  const missed = acknowledged.filter((token) => !got.has(token));
  if (missed.length > 0) wrong.push(`${missed.length} that were acknowledged are missing`);
  if (statusOf(first) === 'done' && got.size < tokens)
    wrong.push(`done after ${got.size} of ${tokens}`);
  return wrong;
}

function statusOf(reader: RunReader | undefined): string {
  const [end = '{}'] = reader?.ends ?? [];
  return (JSON.parse(end) as { status?: string }).status ?? 'none';
}
