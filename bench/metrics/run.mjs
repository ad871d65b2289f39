// What metrics cost a delivery: `npm run build`, then `node bench/metrics/run.mjs`. Two servers in processes of their own,
// with and without `SseMetricsModule`, each with its clients; measured in turns, and compared pair by pair.
import { Contender } from '../lib/contender.mjs';

const CLIENTS = Number(process.env.CLIENTS ?? 500);
const ROUNDS = Number(process.env.ROUNDS ?? 15);
const TICKS = Number(process.env.TICKS ?? 60);
const BURSTS = [1, 10];

/** Microseconds of the server's CPU for one delivery. */
async function costOf(contender, burst) {
  const ticks = Math.ceil(TICKS / Math.sqrt(burst));
  const cpu = await contender.cpuOf(async () => {
    for (let tick = 0; tick < ticks; tick++) await contender.tick({ count: burst });
  });
  return (cpu * 1_000) / (ticks * burst * CLIENTS);
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

const contenders = [false, true].map(
  (isMeasured) =>
    new Contender(
      { key: String(isMeasured), label: isMeasured ? 'with' : 'without', file: 'metrics' },
      { args: { isMeasured } },
    ),
);
const rows = [];
try {
  for (const contender of contenders) {
    await contender.start();
    await contender.connect({ clients: CLIENTS });
    for (const burst of BURSTS) await costOf(contender, burst);
  }
  const [without, measured] = contenders;
  for (const burst of BURSTS) {
    const pairs = [];
    for (let round = 0; round < ROUNDS; round++) {
      const isFirst = round % 2 === 0;
      const first = await costOf(isFirst ? without : measured, burst);
      const second = await costOf(isFirst ? measured : without, burst);
      pairs.push(isFirst ? [first, second] : [second, first]);
    }
    const ratios = pairs.map(([bare, counted]) => counted / bare - 1);
    rows.push({
      'events a tick': burst,
      'without, µs': median(pairs.map(([bare]) => bare)).toFixed(2),
      'with, µs': median(pairs.map(([, counted]) => counted)).toFixed(2),
      'median of the pairs, %': (median(ratios) * 100).toFixed(1),
    });
  }
  for (const contender of contenders) await contender.check();
} finally {
  await Promise.all(contenders.map((contender) => contender.stop()));
}
console.table(rows);
