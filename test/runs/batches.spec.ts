import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import type { Redis } from 'ioredis';
import { redisBackplane } from 'nestjs-event-stream/redis';
import type { SseRuns } from 'nestjs-event-stream/runs';
import { sqliteBackplane } from 'nestjs-event-stream/sqlite';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RedisServer } from '../redis/support/redis-server.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { deferred, RunsBench, waitForAbort } from './instances.js';

const TOKENS = Array.from({ length: 30 }, (_, n) => `token ${n}`);

/** Starts a run that emits all of the tokens in one turn when it is told to; resolves when they are in the log. */
async function startBursting(runs: SseRuns): Promise<() => Promise<void>> {
  const [go, emitted] = [deferred(), deferred()];
  await runs.start('chat.1', async ({ emit, signal }) => {
    await go.promise;
    await Promise.all(TOKENS.map((token) => emit(token)));
    emitted.resolve();
    await waitForAbort(signal);
  });
  return () => {
    go.resolve();
    return emitted.promise;
  };
}

describe('what a run emits in one turn, on SQLite', () => {
  const path = join(mkdtempSync(join(tmpdir(), 'nes-batches-')), 'events.db');
  const bench = new RunsBench(true, () => sqliteBackplane({ path }));
  afterEach(() => bench.stop());
  afterAll(() => rm(join(path, '..'), { recursive: true, force: true, maxRetries: 5 }));

  it('is one transaction', async () => {
    const { runs } = await bench.start();
    const emit = await startBursting(runs);
    const other = new Database(path);
    const select = other.prepare('SELECT head FROM log');
    const head = () => (select.get() as { head: number }).head;
    const before = head();
    const seen = new Set<number>();
    const emitted = emit();
    while (!seen.has(before + TOKENS.length)) {
      seen.add(head());
      await new Promise((resolve) => setImmediate(resolve));
    }
    await emitted;
    other.close();
    await runs.stop('chat.1');
    expect([...seen].filter((each) => each !== before)).toEqual([before + TOKENS.length]);
  });
});

describeWith(REDIS_SERVER, 'what a run emits in one turn, on Redis', (path) => {
  let redis: RedisServer;
  let monitor: Redis;
  const bench = new RunsBench(true, () => redisBackplane({ url: redis.url }));
  beforeAll(async () => {
    redis = await RedisServer.start(path);
    monitor = await redis.control.monitor();
  });
  afterEach(() => bench.stop());
  afterAll(async () => {
    monitor.disconnect();
    await redis.stop();
  });

  it('is one call of the script', async () => {
    const calls: string[][] = [];
    monitor.on('monitor', (_time: string, args: readonly string[], source: string) => {
      const tokens = args.filter((each) => TOKENS.includes(each));
      if (source !== 'lua' && tokens.length > 0) calls.push(tokens);
    });
    const { runs } = await bench.start();
    await (
      await startBursting(runs)
    )();
    await until('Redis has told of it', () => calls.flat().length >= TOKENS.length);
    expect(calls).toEqual([TOKENS]);
    await runs.stop('chat.1');
  });
});
