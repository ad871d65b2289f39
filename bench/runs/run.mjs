// What runs cost, next to publishing and to the package `resumable-stream`: `npm run build`, `npm ci` in bench/, then
// `node bench/runs/run.mjs`. Needs redis-server on the PATH. Two instances are two processes, for each package.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';

const ROUNDS = Number(process.env.ROUNDS ?? 5);
const SECONDS = Number(process.env.SECONDS ?? 3);
const RUNS = 100;
const TOKENS_PER_SECOND = 50;
/** Events: runs that have ended are in the archive. */
const SHORT_TAIL = '100';
const INSTANCE = fileURLToPath(new URL('instance.mjs', import.meta.url));

class Instance {
  #child;
  #count = 0;
  #waiting = new Map();

  static async start(...args) {
    const instance = new Instance();
    instance.#child = fork(INSTANCE, args);
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
  const text = await redis.info('cpu');
  const of = (name) => Number(new RegExp(`${name}:([\\d.]+)`).exec(text)[1]);
  return (of('used_cpu_user') + of('used_cpu_sys')) * 1e6;
}

/** A token through a run, and a publish, both with one reader, in one process. */
async function cpu() {
  const instance = await Instance.start('runs', '');
  const result = await instance.ask('cpu', { milliseconds: SECONDS * 500 });
  await instance.stop();
  return {
    'CPU of a publish, in memory (µs)': result.publish,
    'CPU of a publish to a topic that is kept as a run is, in memory (µs)': result.kept,
    'CPU of a token through a run, in memory (µs)': result.token,
    'ratio to a publish': result.token / result.publish,
    'ratio to a publish that is kept': result.token / result.kept,
  };
}

/** From the yield on one instance to the reader on the other. */
async function latency(kind, name) {
  await redis.flushall();
  const [source, reader] = await Promise.all([
    Instance.start(kind, url),
    Instance.start(kind, url),
  ]);
  const ids = Array.from({ length: RUNS }, (_, index) => `chat.${index}`);
  const usage = () => Promise.all([source.ask('usage'), reader.ask('usage'), redisCpu()]);
  const before = await usage();
  const order = { ids, tokens: TOKENS_PER_SECOND * SECONDS, interval: 1_000 / TOKENS_PER_SECOND };
  await source.ask('start', order);
  const { taken, count } = await reader.ask('read', { ids });
  const after = await usage();
  await Promise.all([source.stop(), reader.stop()]);
  const [ofSource, ofReader, ofRedis] = after.map((each, index) => (each - before[index]) / count);
  const at = (part) => taken[Math.floor(taken.length * part)];
  return {
    [`${name}: ${RUNS} runs of ${TOKENS_PER_SECOND} tokens/s, p50 (ms)`]: at(0.5),
    [`${name}: the same, p99 (ms)`]: at(0.99),
    [`${name}: CPU of the source's instance for a token (µs)`]: ofSource,
    [`${name}: CPU of the reader's instance for a token (µs)`]: ofReader,
    [`${name}: CPU of Redis for a token (µs)`]: ofRedis,
  };
}

/** The first join of a process, the first of a run, and later ones. */
async function join(where, ...args) {
  await redis.flushall();
  const instance = await Instance.start('runs', ...args);
  const { first, firstOfRun, later } = await instance.ask('join', { tokens: 8_000 });
  await instance.stop();
  return {
    [`join of a finished run of 8,000 tokens ${where}, merged: first of a process (ms)`]: first,
    [`the same, ${where}: first of that run (ms)`]: firstOfRun,
    [`the same, ${where}: later ones (ms)`]: later,
  };
}

/** How long a reader on another instance takes to have what was emitted before, while the run is live. */
async function joinLive(kind, name) {
  await redis.flushall();
  const [source, reader] = await Promise.all([
    Instance.start(kind, url),
    Instance.start(kind, url),
  ]);
  await source.ask('startLive', { id: 'live', tokens: 8_000 });
  const first = await reader.ask('joinLive', { id: 'live', tokens: 8_000 });
  const later = await reader.ask('joinLive', { id: 'live', tokens: 8_000 });
  await Promise.all([source.stop(), reader.stop()]);
  return {
    [`${name}: join of a live run of 8,000 tokens, elsewhere: first (ms)`]: first,
    [`${name}: the same, once more (ms)`]: later,
  };
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const MEASUREMENTS = {
  cpu,
  join: () => join('in the tail', ''),
  'join archived': () => join('in the archive in memory', '', SHORT_TAIL),
  'join archived in Redis': () => join('in the archive in Redis', url, SHORT_TAIL),
  latency: () => latency('runs', 'this package'),
  'latency resumable': () => latency('resumable', 'resumable-stream'),
  live: () => joinLive('runs', 'this package'),
  'live resumable': () => joinLive('resumable', 'resumable-stream'),
};

/** `ONLY=cpu node bench/runs/run.mjs`: those whose name matches. */
const ONLY = new RegExp(process.env.ONLY ?? '');
const results = new Map();
try {
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, measure] of Object.entries(MEASUREMENTS)) {
      if (!ONLY.test(name)) continue;
      for (const [what, value] of Object.entries(await measure()))
        results.set(what, [...(results.get(what) ?? []), value]);
    }
  }
  console.log(
    `Node.js ${process.version}, ${cpus()[0].model}, ${cpus().length} cores, medians of ${ROUNDS}\n`,
  );
  for (const [name, values] of results) {
    const [least, most] = [Math.min(...values), Math.max(...values)].map((v) => v.toFixed(2));
    console.log(`${median(values).toFixed(2).padStart(9)}  ${name}  (${least} to ${most})`);
  }
} finally {
  redis.disconnect();
  server.kill();
}
