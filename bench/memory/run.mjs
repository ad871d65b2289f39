/**
 * What a full log takes in real memory, against what `history.maxBytes` counts: `node bench/memory/run.mjs` in the root
 * of a clone, after `npm run build`. Each row runs in a process of its own, with the default history. Ends with 1
 * if a row takes more than 1.5 x maxBytes + 20 MB.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { rows } from './rows.mjs';

const worker = fileURLToPath(new URL('worker.mjs', import.meta.url));
const results = [];
for (const name of Object.keys(rows)) {
  const { stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', worker, name], {
    encoding: 'utf8',
    timeout: 300_000,
  });
  if (stdout === '') throw new Error(`${name}: ${stderr}`);
  results.push(JSON.parse(stdout));
  console.error(stdout.trim());
}
const mega = (bytes) => (bytes / 1e6).toFixed(1);
console.table(
  results.map(({ name, events, counted, heap, external, allowed }) => ({
    row: name,
    events,
    'counted MB': mega(counted),
    'heap MB': mega(heap),
    'external MB': mega(external),
    'total MB': mega(heap + external),
    'allowed MB': mega(allowed),
  })),
);
process.exitCode = results.some(({ heap, external, allowed }) => heap + external > allowed) ? 1 : 0;
