// One noisy topic and 10,000 quiet ones, of which 20 events each are kept: an hour of noise at 1,000 events a second, as fast
// as it goes, and then each quiet client resumes. `npm run build`, then `node bench/history/noise.mjs`.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MemoryBackplane } from '../../dist/index.js';
import { sqliteBackplane } from '../../dist/sqlite/index.js';
import { start } from './application.mjs';

const QUIET = Number(process.env.TOPICS ?? 10_000);
const NOISE = Number(process.env.NOISE ?? 3_600_000);
const KEPT = 20;
const BEHIND = 5;
const BATCH = 1_000;
const MAX_BYTES = 128 * 1024 * 1024;
const PAYLOAD = { id: 12_345, text: 'x'.repeat(215) };
const history = {
  maxEvents: 50_000,
  topics: [{ match: 'quiet.*', keepEvents: KEPT }],
  archive: { maxBytes: MAX_BYTES },
};

const root = process.argv[2] === undefined ? '' : mkdtempSync(join(tmpdir(), 'bench-noise-'));
const path = join(root, 'events.db');

async function publish(bus, topicsOf, count) {
  const ids = [];
  for (let sent = 0; sent < count; sent += BATCH) {
    const size = Math.min(BATCH, count - sent);
    const batch = Array.from({ length: size }, (_, index) =>
      bus.publish(topicsOf(sent + index), { data: PAYLOAD }),
    );
    ids.push(...(await Promise.all(batch)));
    await nextTurn();
  }
  return ids;
}

const heap = () => (
  globalThis.gc?.(),
  process.memoryUsage().heapUsed + process.memoryUsage().external
);
const mebibytes = (bytes) => Number((bytes / 1024 / 1024).toFixed(1));

async function measure(backplane) {
  const { app, bus } = await start(backplane, history);
  const before = heap();
  const topicOf = (n) => `quiet.${n % QUIET}`;
  const ids = await publish(bus, topicOf, QUIET * (KEPT + BEHIND));
  const begin = performance.now();
  for (let left = NOISE; left > 0; left -= 100_000)
    await publish(bus, () => 'noise', Math.min(left, 100_000));
  const noise = performance.now() - begin;
  const memory = heap() - before;
  const { port } = app.getHttpServer().address();
  const clients = fork(join(import.meta.dirname, 'clients.mjs'));
  const resumes = Array.from({ length: QUIET }, (_, n) => ({
    path: `/topics/quiet.${n}`,
    lastEventId: ids[n + QUIET * (KEPT - 1)],
    lastId: ids[n + QUIET * (KEPT + BEHIND - 1)],
  }));
  clients.send({ port, resumes, expected: BEHIND, atATime: 100 });
  const [{ whole, milliseconds }] = await once(clients, 'message');
  clients.disconnect();
  await app.close();
  return {
    'noise, events/s': Math.round((NOISE / noise) * 1_000),
    'clients without a gap': `${whole} of ${QUIET}`,
    'resumes/s': Math.round((QUIET / milliseconds) * 1_000),
    'memory, MiB': mebibytes(memory),
  };
}

const STORES = { memory: () => new MemoryBackplane(), SQLite: () => sqliteBackplane({ path }) };

// Each in a process of its own, so that neither counts what the other has left.
const [name] = process.argv.slice(2);
if (name === undefined) {
  for (const store of Object.keys(STORES)) {
    const child = fork(import.meta.filename, [store], { execArgv: ['--expose-gc'] });
    const [code] = await once(child, 'exit');
    if (code !== 0) process.exitCode = 1;
  }
} else {
  try {
    const row = await measure(STORES[name]());
    if (name === 'SQLite') row['file, MiB'] = mebibytes(statSync(path).size);
    console.table({ [name]: row });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
process.disconnect?.();
