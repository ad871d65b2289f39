import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildRunInstance, RunInstance } from '../chaos/run-fleet.js';
import type { RunInstanceOptions } from '../chaos/run-instance.js';
import { RunReader } from '../chaos/run-reader.js';
import { RedisServer } from '../redis/support/redis-server.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';

const LEASE = 600;
const LOST = '{"status":"lost"}';
const FOREVER = { tokens: 1_000_000, interval: 5 };

let built: Awaited<ReturnType<typeof buildRunInstance>>;
beforeAll(async () => {
  built = await buildRunInstance();
}, 60_000);
afterAll(() => built.remove());

/** @param options of the instances of one test */
function endsRuns(options: (test: number) => RunInstanceOptions): void {
  let started: RunInstance[] = [];
  let number = 0;

  afterEach(async () => {
    number++;
    for (const instance of started) instance.resume();
    await Promise.all(started.map((instance) => instance.kill()));
    started = [];
  });

  async function start(): Promise<RunInstance> {
    const instance = await RunInstance.start(built.folder, options(number));
    started.push(instance);
    return instance;
  }

  /** Whoever is paused in the middle of writing to an SQLite file keeps all others from writing. */
  async function pauseOutsideOfTransactions(owner: RunInstance, other: RunInstance): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      owner.pause();
      const probe = await other.begin(`probe-${attempt}`, { tokens: 1, interval: 0 });
      if (probe !== undefined) return;
      owner.resume();
      await until('it goes on', async () => (await owner.emitted('a')) !== undefined);
    }
  }

  it('ends the runs of a process that was killed, by one instance, for every reader, within the lease', async () => {
    const [owner, one, two] = await Promise.all([start(), start(), start()]);
    expect(await owner.begin('a', FOREVER)).toMatchObject({ isNew: true });
    const readers = [one, two, one].map(({ url }) => new RunReader('a', () => url));
    const reading = Promise.all(readers.map((reader) => reader.read()));
    await until('they read', () => readers.every(({ tokens }) => tokens.length > 10));
    await owner.kill();
    const killed = performance.now();
    await reading;
    expect(performance.now() - killed).toBeLessThan(LEASE + 5_000);
    for (const { ends, late, tokens } of readers) {
      expect({ ends, late }).toEqual({ ends: [LOST], late: [] });
      expect(tokens).toEqual(readers[0]?.tokens);
    }
    expect(await one.begin('a', FOREVER)).toMatchObject({ isNew: false, status: 'lost' });
    expect([...(await one.ended()), ...(await two.ended())]).toEqual(['a']);
  }, 20_000);

  it('ends them too if nobody was left to see it: whoever starts next', async () => {
    const owner = await start();
    await owner.begin('a', FOREVER);
    await owner.kill();
    const { url } = await start();
    const reader = new RunReader('a', () => url);
    await reader.read();
    expect(reader.ends).toEqual([LOST]);
  }, 20_000);

  it('starts in one of two processes that start it in the same moment, and is stopped by the other', async () => {
    const [one, two] = await Promise.all([start(), start()]);
    for (const id of ['a', 'b', 'c']) {
      const [first, second] = await Promise.all([one, two].map((each) => each.begin(id, FOREVER)));
      expect([first?.isNew, second?.isNew].sort()).toEqual([false, true]);
      const [owner, other] = first?.isNew === true ? [one, two] : [two, one];
      const readers = [owner, other].map(({ url }) => new RunReader(id, () => url));
      const reading = Promise.all(readers.map((reader) => reader.read()));
      await until('they read', () => readers.every(({ tokens }) => tokens.length > 5));
      expect(await other.stop(id)).toMatchObject({ status: 'stopped' });
      await reading;
      for (const { ends, late, tokens } of readers) {
        expect({ ends, late }).toEqual({ ends: ['{"status":"stopped"}'], late: [] });
        expect(tokens).toEqual(readers[0]?.tokens);
      }
      expect(await owner.emitted(id)).toMatchObject({ isAborted: true });
    }
  }, 20_000);

  it('takes nothing of a process that was paused for longer, which is told so', async () => {
    const [owner, other] = await Promise.all([start(), start()]);
    await owner.begin('a', FOREVER);
    const reader = new RunReader('a', () => other.url);
    const reading = reader.read();
    await until('it reads', () => reader.tokens.length > 10);
    await pauseOutsideOfTransactions(owner, other);
    await reading;
    owner.resume();
    await until('it is told', async () => (await owner.emitted('a'))?.refusal !== undefined);
    const emitted = await owner.emitted('a');
    expect(emitted).toMatchObject({ refusal: 'RUN_ENDED', isAborted: true });
    expect(reader.tokens).toEqual(expect.arrayContaining(emitted?.acknowledged ?? ['none']));
    const late = new RunReader('a', () => owner.url);
    await late.read();
    expect(late).toMatchObject({ ends: [LOST], late: [], tokens: reader.tokens });
  }, 20_000);
}

describe('on SQLite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nes-lost-'));
  afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  endsRuns((test) => ({ path: join(folder, `${test}.db`), lease: LEASE }));
});

describeWith(REDIS_SERVER, 'on Redis', (path) => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await RedisServer.start(path);
  });
  afterEach(() => redis.control.flushall());
  afterAll(() => redis.stop());
  endsRuns(() => ({ url: redis.url, lease: LEASE }));
});
