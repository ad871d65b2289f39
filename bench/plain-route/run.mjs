// What this package costs a route that has nothing to do with SSE: `npm run build`, then `node bench/plain-route/run.mjs`.
// Each pair is of servers in new processes, since two that do the same differ by more than what is looked for.
import { median } from '../lib/stats.mjs';
import { plainRoute } from '../scenarios/plain-route.mjs';

const PAIRS = Number(process.env.PAIRS ?? 7);
const ROUNDS = Number(process.env.ROUNDS ?? 3);

const rows = [];
for (let pair = 0; pair < PAIRS; pair++) {
  const results = await plainRoute({ rounds: ROUNDS });
  const [without, measured] = [median(results.without), median(results.with)];
  rows.push({ without, with: measured, added: measured - without, ratio: measured / without });
}
const middle = (key) => median(rows.map((row) => row[key]));
console.table(
  [...rows, Object.fromEntries(Object.keys(rows[0]).map((key) => [key, middle(key)]))].map(
    (row, index) => ({
      pair: index < PAIRS ? index + 1 : 'median',
      'without, µs of CPU a request': row.without.toFixed(1),
      'with SseModule, µs': row.with.toFixed(1),
      'added, µs': row.added.toFixed(1),
      ratio: row.ratio.toFixed(3),
    }),
  ),
);
