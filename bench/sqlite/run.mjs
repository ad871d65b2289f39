// What the SQLite backplane costs, next to the one in memory and to plain SQLite: `npm run build`, then
// `node bench/sqlite/run.mjs`. All of it in this process; what a thread of it uses counts.
import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as elapse } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import { EventBus, MemoryBackplane, SseModule } from '../../dist/index.js';
import { sqliteBackplane } from '../../dist/sqlite/index.js';

const ROUNDS = Number(process.env.ROUNDS ?? 5);
const SECONDS = Number(process.env.SECONDS ?? 2);
const BATCH = 100;
const PAYLOAD = { id: 12_345, text: 'x'.repeat(215) };

const root = mkdtempSync(join(process.env.FOLDER ?? tmpdir(), 'bench-sqlite-'));
let files = 0;
const newPath = () => join(root, `events-${++files}.db`);

class Application {
  static async start(backplane) {
    const application = new Application();
    const module = SseModule.forRoot({ backplane });
    application.context = await NestFactory.createApplicationContext(module, { logger: ['error'] });
    application.bus = application.context.get(EventBus);
    return application;
  }

  publishBatch() {
    return Promise.all(
      Array.from({ length: BATCH }, (_, index) =>
        this.bus.publish(`topic.${index}`, { type: 'bench', data: PAYLOAD }),
      ),
    );
  }

  close() {
    return this.context.close();
  }
}

/** Microseconds of CPU for each event, in batches of 100, so many of them on their way at a time. */
async function cpuPerEvent(backplane, atATime = 1) {
  const application = await Application.start(backplane);
  const publish = async (milliseconds) => {
    let count = 0;
    const end = performance.now() + milliseconds;
    const run = async () => {
      while (performance.now() < end) {
        await application.publishBatch();
        await nextTurn();
        count += BATCH;
      }
    };
    await Promise.all(Array.from({ length: atATime }, run));
    return count;
  };
  await publish(500);
  const before = process.cpuUsage();
  const count = await publish(SECONDS * 1_000);
  const { user, system } = process.cpuUsage(before);
  await application.close();
  return (user + system) / count;
}

/** Events a second, with some batches on their way at a time. */
async function sustained(backplane) {
  const application = await Application.start(backplane);
  let count = 0;
  const end = performance.now() + SECONDS * 1_000;
  const run = async () => {
    while (performance.now() < end) {
      await application.publishBatch();
      count += BATCH;
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: 20 }, run));
  const rate = (count / (performance.now() - start)) * 1_000;
  await application.close();
  return rate;
}

/** Commits a second of one event each, one after the other. */
async function singles(backplane) {
  const application = await Application.start(backplane);
  let count = 0;
  const start = performance.now();
  while (performance.now() < start + SECONDS * 1_000) {
    await application.bus.publish('topic', { type: 'bench', data: PAYLOAD });
    count++;
  }
  const rate = (count / (performance.now() - start)) * 1_000;
  await application.close();
  return rate;
}

/** The same with nothing but SQLite: a row, a sync, on the event loop. */
function plainSingles() {
  const BetterSqlite = createRequire(import.meta.url)('better-sqlite3');
  const database = new BetterSqlite(newPath());
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  database.exec('CREATE TABLE events (offset INTEGER PRIMARY KEY, text TEXT NOT NULL)');
  const insert = database.prepare('INSERT INTO events (text) VALUES (?)');
  const text = JSON.stringify(PAYLOAD);
  let count = 0;
  const start = performance.now();
  while (performance.now() < start + SECONDS * 1_000) {
    insert.run(text);
    count++;
  }
  const rate = (count / (performance.now() - start)) * 1_000;
  database.close();
  return rate;
}

/** Milliseconds from a publish until another instance has the event. */
async function latencies() {
  const path = newPath();
  const one = await Application.start(sqliteBackplane({ path }));
  const two = await Application.start(sqliteBackplane({ path }));
  const taken = [];
  let arrived = () => {};
  const subscription = two.bus.stream('topic').subscribe(() => arrived());
  for (let index = 0; index < 100; index++) {
    await elapse(Math.random() * 20);
    const arrival = new Promise((resolve) => (arrived = resolve));
    const start = performance.now();
    await one.bus.publish('topic', { data: PAYLOAD });
    await arrival;
    taken.push(performance.now() - start);
  }
  subscription.unsubscribe();
  await Promise.all([one.close(), two.close()]);
  return taken;
}

/** Per cent of a core that an instance needs when nothing happens. */
async function idle() {
  const application = await Application.start(sqliteBackplane({ path: newPath() }));
  await elapse(500);
  const before = process.cpuUsage();
  await elapse(SECONDS * 1_000);
  const { user, system } = process.cpuUsage(before);
  await application.close();
  return (user + system) / (SECONDS * 10_000);
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
/** Both in turn, as what else the machine does hits both. */
async function cpuOfBatches(atATime) {
  const name = `CPU per event in batches of 100, ${atATime === 1 ? 'one after the other' : `${atATime} on their way`}`;
  const memory = await cpuPerEvent(new MemoryBackplane(), atATime);
  const file = await cpuPerEvent(sqliteBackplane({ path: newPath() }), atATime);
  return {
    [`${name}, in memory (µs)`]: memory,
    [`${name}, 'process' (µs)`]: file,
    [`${name}: beyond memory (µs)`]: file - memory,
  };
}

const MEASUREMENTS = {
  'CPU per event': () => cpuOfBatches(1),
  'CPU per event, many batches': () => cpuOfBatches(20),
  'sustained, in memory (events/s)': () => sustained(new MemoryBackplane()),
  "sustained, 'process' (events/s)": () => sustained(sqliteBackplane({ path: newPath() })),
  "sustained, 'power' (events/s)": () =>
    sustained(sqliteBackplane({ path: newPath(), durability: 'power' })),
  "single commits, 'process' (events/s)": () => singles(sqliteBackplane({ path: newPath() })),
  "single commits, 'power' (events/s)": () =>
    singles(sqliteBackplane({ path: newPath(), durability: 'power' })),
  'single commits, plain SQLite with a sync (events/s)': plainSingles,
  'latency to another instance, p50 (ms)': async () => median(await latencies()),
  'idle (% of a core)': idle,
};

/** `ONLY=idle node bench/sqlite/run.mjs`: those whose name matches. */
const ONLY = new RegExp(process.env.ONLY ?? '');
for (const name of Object.keys(MEASUREMENTS)) if (!ONLY.test(name)) delete MEASUREMENTS[name];

try {
  const results = {};
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, measure] of Object.entries(MEASUREMENTS)) {
      const measured = await measure();
      const figures = typeof measured === 'number' ? { [name]: measured } : measured;
      for (const [what, figure] of Object.entries(figures)) (results[what] ??= []).push(figure);
    }
  }
  console.log(
    `Node.js ${process.version}, ${cpus()[0].model}, ${cpus().length} cores, medians of ${ROUNDS}\n`,
  );
  for (const [name, values] of Object.entries(results)) {
    const digits = median(values) < 100 ? 2 : 0;
    const [least, most] = [Math.min(...values), Math.max(...values)].map((v) => v.toFixed(digits));
    console.log(`${median(values).toFixed(digits).padStart(9)}  ${name}  (${least} to ${most})`);
  }
} finally {
  rmSync(root, { recursive: true, force: true });
}
