// Clients that resume 1,000 events behind the tail: how often the store is read, and for how long the event loop stands
// still, beside clients for which the tail has everything. `npm run build`, then `node bench/history/behind.mjs`.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { MemoryBackplane } from '../../dist/index.js';
import { sqliteBackplane } from '../../dist/sqlite/index.js';
import { median } from '../lib/stats.mjs';
import { start } from './application.mjs';

const ROUNDS = Number(process.env.ROUNDS ?? 5);
const BEHIND = 1_000;
const TAIL = 500;
const PAYLOAD = { id: 12_345, text: 'x'.repeat(215) };

const root = mkdtempSync(join(tmpdir(), 'bench-history-'));
let files = 0;

/** By name: what makes a backplane, and how much of the log the instance holds. */
const STORES = {
  'all of it in the tail': { make: () => new MemoryBackplane(), maxEvents: 50_000 },
  'archive in memory': { make: () => new MemoryBackplane(), maxEvents: TAIL },
  'archive in SQLite': {
    make: () => sqliteBackplane({ path: join(root, `${++files}.db`) }),
    maxEvents: TAIL,
  },
};

async function measure(store, count) {
  const topics = [{ match: 'kept.**', keepEvents: 10_000 }];
  const { maxEvents } = store;
  const { app, bus, readsOf } = await start(store.make(), { maxEvents, topics });
  const ids = [];
  for (let sent = 0; sent < BEHIND + TAIL; sent += 100) {
    const batch = Array.from({ length: 100 }, () => bus.publish('kept.a', { data: PAYLOAD }));
    ids.push(...(await Promise.all(batch)));
  }
  const clients = fork(join(import.meta.dirname, 'clients.mjs'));
  const { port } = app.getHttpServer().address();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const before = process.cpuUsage();
  delay.enable();
  const [lastEventId, lastId] = [ids[0], ids.at(-1)];
  const resumes = Array(count).fill({ path: '/topics/kept.a', lastEventId, lastId });
  clients.send({ port, resumes, expected: ids.length - 1 });
  const [{ milliseconds, whole }] = await once(clients, 'message');
  delay.disable();
  const { user, system } = process.cpuUsage(before);
  clients.disconnect();
  await app.close();
  if (whole < count)
    throw new Error('A client has not had every event, in order and without a gap');
  return {
    reads: readsOf(),
    block: delay.max / 1e6,
    milliseconds,
    cpu: (user + system) / 1e3 / count,
  };
}

const results = new Map();
try {
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, store] of Object.entries(STORES)) {
      for (const count of [100, 1_000]) {
        const key = `${name}, ${count} clients`;
        results.set(key, [...(results.get(key) ?? []), await measure(store, count)]);
      }
    }
  }
  console.table(
    Object.fromEntries(
      [...results].map(([key, rounds]) => {
        const of = (name) => Number(median(rounds.map((each) => each[name])).toFixed(1));
        return [
          key,
          {
            'reads of the archive': of('reads'),
            'longest block, ms': of('block'),
            'all caught up, ms': of('milliseconds'),
            'CPU a client, ms': of('cpu'),
          },
        ];
      }),
    ),
  );
} finally {
  rmSync(root, { recursive: true, force: true });
}
