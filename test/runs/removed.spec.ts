import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { of } from 'rxjs';
import { RedisServer } from '../redis/support/redis-server.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { all, deferred, RunsBench, told } from './instances.js';

const DONE = 'run-end {"status":"done"}';
const TOKENS = Array.from({ length: 100 }, (_, n) => `${n}`);

const WHOLE = [...TOKENS, 'last', DONE];

/** What is missing of the run though no gap was told in its place. */
function leftOutSilently(events: readonly string[]): string[] {
  const missing: string[] = [];
  let next = 0;
  let isGap = false;
  for (const event of events) {
    if (!event.startsWith('gap ')) {
      const at = WHOLE.indexOf(event, next);
      if (at !== next && !isGap) missing.push(...WHOLE.slice(next, at < 0 ? undefined : at));
      next = at < 0 ? WHOLE.length : at + 1;
    }
    isGap = event.startsWith('gap ');
  }
  return [...missing, ...WHOLE.slice(next)];
}

describeWith(REDIS_SERVER, 'a run of which Redis has removed what it keeps', (path) => {
  let redis: RedisServer;
  let bench: RunsBench;
  let logs = 0;

  beforeAll(async () => {
    redis = await RedisServer.start(path);
  });
  beforeEach(() => {
    logs++;
    bench = new RunsBench(true, () =>
      redisBackplane({ url: redis.url, key: `log-${logs}`, checkInterval: 50 }),
    );
  });
  afterEach(() => bench.stop());
  afterAll(() => redis.stop());

  /** Both keys of a topic, as an eviction may take them, or somebody by hand. */
  async function remove(topic: string): Promise<void> {
    const keys = await redis.control.keys(`{log-${logs}}:*:${topic}`);
    expect(keys.map((key) => key.split(':')[1]).sort()).toEqual(['kept', 'topic']);
    await redis.control.del(...keys);
  }

  async function start() {
    const setup = { runs: { lease: 300 }, sse: { history: { maxEvents: 5 } } };
    const [one, two] = await bench.startTwo(setup);
    const go = deferred();
    await one.runs.start('chat.1', async ({ emit }) => {
      await Promise.all(TOKENS.map(emit));
      await go.promise;
      await emit('last');
    });
    const reading = await bench.connect(two, '/runs/chat.1');
    expect(told(await reading.take(100))).toEqual(TOKENS);
    return { setup, one, two, go, reading };
  }

  it('goes on for who reads it, and is a gap and the rest for who comes', async () => {
    const { setup, one, two, go, reading } = await start();
    await remove('$run.whole.chat.1');
    const three = await bench.start(setup);
    const coming = await Promise.all(
      [one, two, three].map((at) => bench.connect(at, '/runs/chat.1')),
    );
    go.resolve();
    expect(await all(reading)).toEqual(['last', DONE]);
    const told = await Promise.all(coming.map(all));
    for (const events of told) expect(leftOutSilently(events)).toEqual([]);
    // The others may still have what they have read before.
    expect(told[2]?.[0]).toContain('gap {"reason":"trimmed"');
  });

  it('is a gap in its place for who gets it merged, when a page was read before', async () => {
    const one = await bench.start({ sse: { history: { maxEvents: 5 } } });
    const tokens = Array.from({ length: 1_000 }, (_, n) => `<${n}>`);
    await one.runs.start('chat.1', of(...tokens));
    await until('it has ended', () => one.runs.get('chat.1')?.status === 'done');
    const first = one.runs.read('chat.1');
    expect(await first.next()).toMatchObject({ value: { data: '<0>' } });
    const [kept = ''] = await redis.control.keys(`{log-${logs}}:kept:*:$run.whole.chat.1`);
    const last = await redis.control.xrevrange(kept, '+', '-', 'COUNT', 50);
    const [id = ''] = last.at(-1) ?? [];
    expect(await redis.control.xdel(kept, id)).toBe(1);
    const without = tokens.filter((token) => token !== '<951>');
    // The second time both pages are there.
    for (let turn = 0; turn < 2; turn++) {
      const events = await all(await bench.connect(one, '/merged/chat.1'));
      const gap = events.findIndex((event) => event.startsWith('gap {"reason":"trimmed"'));
      expect(gap).toBeGreaterThan(0);
      expect(events.filter((_, index) => index !== gap).join('')).toBe([...without, DONE].join(''));
      expect(events.length).toBeLessThan(10);
    }
    await first.return?.();
  });

  it('is told of once to who listens to all runs, also when its log is removed in the middle', async () => {
    const { one, two, reading } = await start();
    await redis.control.flushall();
    for await (const { type } of reading) if (type === 'run-end') break;
    for (const { changes } of [one, two]) {
      await until('it has ended', () => changes.some(({ type }) => type === 'ended'));
      expect(changes.filter(({ type }) => type === 'started')).toHaveLength(1);
    }
    await until('its end is in the new log', () => two.runs.get('chat.1')?.status === 'failed');
    expect([...one.changes, ...two.changes].map(({ type }) => type).sort()).toEqual([
      'ended',
      'ended',
      'started',
      'started',
    ]);
  });

  it('has its end for who reads it also if all of what is known of runs is gone', async () => {
    const { setup, two, go, reading } = await start();
    await remove('$runs.keep');
    await remove('$run.whole.chat.1');
    const three = await bench.start(setup);
    // Nobody can know of it who has not read of it before.
    expect((await bench.connect(three, '/runs/chat.1')).status).toBe(204);
    go.resolve();
    expect(await all(reading)).toEqual(['last', DONE]);
    expect(two.runs.get('chat.1')).toMatchObject({ status: 'done', events: 101 });
    expect(three.runs.list()).toEqual([]);
    const back = await bench.connect(two, '/runs/chat.1', reading.lastEventId);
    expect(back.status).toBe(204);
  });
});
