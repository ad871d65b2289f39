// What the Redis backplane costs, next to plain PUB/SUB that does the same: `npm run build`, then
// `node bench/redis/run.mjs`. Needs redis-server on the PATH.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { cpus } from 'node:os';
import { setTimeout as elapse } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';

const SECONDS = Number(process.env.SECONDS ?? 5);
const ROUNDS = Number(process.env.ROUNDS ?? 3);
const INSTANCE = fileURLToPath(new URL('instance.mjs', import.meta.url));

class Instance {
  #child;
  #count = 0;
  #waiting = new Map();

  static async start(kind, url) {
    const instance = new Instance();
    instance.#child = fork(INSTANCE, [kind, url]);
    instance.#child.on('message', ({ id, result }) => instance.#waiting.get(id)?.(result));
    await new Promise((resolve) => instance.#waiting.set(0, resolve));
    return instance;
  }

  ask(name, argument) {
    const id = ++this.#count;
    this.#child.send({ id, name, argument });
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  async stop() {
    const exit = once(this.#child, 'exit');
    await this.ask('stop');
    await exit;
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

const port = await freePort();
const url = `redis://127.0.0.1:${port}`;
const server = spawn('redis-server', ['--port', `${port}`, '--bind', '127.0.0.1', '--save', ''], {
  stdio: 'ignore',
});
const redis = new Redis(url, { retryStrategy: () => 50, maxRetriesPerRequest: null });
redis.on('error', () => {});
await redis.ping();

/** Microseconds of CPU that Redis has used. */
async function redisCpu() {
  const info = await redis.info('cpu');
  const [user, system] = ['user', 'sys'].map((kind) =>
    Number(new RegExp(`used_cpu_${kind}:([\\d.]+)`).exec(info)[1]),
  );
  return (user + system) * 1e6;
}

const percentile = (sorted, share) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Runs `load` on the instances, waits until all have everything, and says what it cost. */
async function measure(instances, load) {
  await Promise.all(instances.map((instance) => instance.ask('reset')));
  const before = await Promise.all(instances.map((instance) => instance.ask('read')));
  const cpuBefore = await redisCpu();
  const started = performance.now();
  const published = (await Promise.all(load())).reduce((sum, count) => sum + count, 0);
  let after;
  do {
    await elapse(20);
    after = await Promise.all(instances.map((instance) => instance.ask('read')));
  } while (
    after.some(({ received }) => received < published) &&
    performance.now() - started < SECONDS * 1_000 + 10_000
  );
  const seconds = (performance.now() - started) / 1_000;
  const redisMicros = ((await redisCpu()) - cpuBefore) / published;
  const receiver = after.at(-1);
  const latencies = receiver.latencies.sort((a, b) => a - b);
  return {
    rate: published / seconds,
    missing: published - Math.min(...after.map(({ received }) => received)),
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    redis: redisMicros,
    instance: (receiver.cpu - before.at(-1).cpu) / published,
  };
}

const WARM_UP = ([one]) => [one.ask('atRate', { rate: 1_000, milliseconds: 1_000 })];

const WORK = {
  '1,000 events/s, from one instance to another': ([one]) => [
    one.ask('atRate', { rate: 1_000, milliseconds: SECONDS * 1_000 }),
  ],
  '5,000 events/s, from one instance to another': ([one]) => [
    one.ask('atRate', { rate: 5_000, milliseconds: SECONDS * 1_000 }),
  ],
  'as fast as possible, two instances publish and receive': (both) =>
    both.map((instance) =>
      instance.ask('asFastAsPossible', { milliseconds: SECONDS * 1_000, inFlight: 200 }),
    ),
};

/** What Redis spends on an event, by how many instances read it. */
async function measureInstances() {
  console.log('\n| instances | Redis µs/event at 1,000/s | at 5,000/s |\n|--:|--:|--:|');
  const both = [await Instance.start('stream', url), await Instance.start('stream', url)];
  for (const count of [2, 5, 10, 20]) {
    await both[1].ask('tail', { count: count - 2 });
    const costs = [];
    for (const rate of [1_000, 5_000]) {
      const load = () => [both[0].ask('atRate', { rate, milliseconds: SECONDS * 1_000 })];
      costs.push((await measure(both, load)).redis.toFixed(1));
    }
    console.log(`| ${count} | ${costs.join(' | ')} |`);
  }
  await Promise.all(both.map((instance) => instance.stop()));
}

const results = new Map();
try {
  for (let round = 0; round < ROUNDS; round++) {
    for (const kind of ['stream', 'pubsub']) {
      const instances = [await Instance.start(kind, url), await Instance.start(kind, url)];
      await measure(instances, () => WARM_UP(instances));
      for (const [work, load] of Object.entries(WORK)) {
        const result = await measure(instances, () => load(instances));
        const name = `${work} | ${kind}`;
        results.set(name, [...(results.get(name) ?? []), result]);
      }
      await Promise.all(instances.map((instance) => instance.stop()));
    }
  }
  const log = '{nestjs-event-stream}:log';
  const [length, bytes] = [await redis.xlen(log), await redis.memory('USAGE', log, 'SAMPLES', 0)];
  const version = /redis_version:(\S+)/.exec(await redis.info('server'))[1];
  console.log(`Node ${process.version}, Redis ${version}, ${cpus().length} x ${cpus()[0].model}`);
  console.log(`${ROUNDS} interleaved rounds of ${SECONDS} s, medians; 220 bytes of data\n`);
  console.log(
    '| work | by | events/s | p50 ms | p99 ms | Redis µs/event | instance µs/event | missing |',
  );
  console.log('|---|---|--:|--:|--:|--:|--:|--:|');
  for (const [name, rounds] of [...results].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const of = (key, digits) => median(rounds.map((round) => round[key])).toFixed(digits);
    console.log(
      `| ${name} | ${of('rate', 0)} | ${of('p50', 2)} | ${of('p99', 2)} | ${of('redis', 1)} | ` +
        `${of('instance', 1)} | ${of('missing', 0)} |`,
    );
  }
  await measureInstances();
  console.log(`\nRedis keeps an event of 220 bytes in ${(bytes / length).toFixed(0)} bytes.`);
} finally {
  redis.disconnect();
  server.kill();
}
