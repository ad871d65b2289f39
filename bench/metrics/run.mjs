// What metrics cost a delivery: `npm run build`, then `node bench/metrics/run.mjs`. One server, whose `SseMetricsModule` is
// on and off in turns, measured pair by pair: two processes of one program differ by more than what is measured here.
import { Contender } from '../lib/contender.mjs';

const CLIENTS = Number(process.env.CLIENTS ?? 500);
const ROUNDS = Number(process.env.ROUNDS ?? 60);
const TICKS = Number(process.env.TICKS ?? 40);
const BURSTS = [1, 10];

/** Microseconds of the server's CPU for one delivery. */
async function costOf(contender, burst, isOn) {
  await contender.ask('toggle', { isOn });
  const ticks = Math.ceil(TICKS / Math.sqrt(burst));
  const cpu = await contender.cpuOf(async () => {
    for (let tick = 0; tick < ticks; tick++) await contender.tick({ count: burst });
  });
  return (cpu * 1_000) / (ticks * burst * CLIENTS);
}

const at = (values, part) => [...values].sort((a, b) => a - b)[Math.floor(values.length * part)];
const percent = (ratio) => `${(ratio * 100).toFixed(1)} %`;

/** Costs off and on, round by round, each first in turns. */
async function pairsOf(contender, burst) {
  const pairs = [];
  for (let round = 0; round < ROUNDS; round++) {
    const isFirst = round % 2 === 0;
    const first = await costOf(contender, burst, !isFirst);
    const second = await costOf(contender, burst, isFirst);
    pairs.push(isFirst ? [first, second] : [second, first]);
  }
  return pairs;
}

const contender = new Contender({ key: 'metrics', label: 'metrics', file: 'metrics' });
const rows = [];
try {
  await contender.start();
  await contender.connect({ clients: CLIENTS });
  for (const burst of BURSTS)
    for (const isOn of [true, false]) await costOf(contender, burst, isOn);
  for (const burst of BURSTS) {
    const pairs = await pairsOf(contender, burst);
    const ratios = pairs.map(([off, on]) => on / off - 1);
    rows.push({
      'events a tick': burst,
      'off, µs': at(
        pairs.map(([off]) => off),
        0.5,
      ).toFixed(2),
      'on, µs': at(
        pairs.map(([, on]) => on),
        0.5,
      ).toFixed(2),
      'median of the pairs': percent(at(ratios, 0.5)),
      'half of them': `${percent(at(ratios, 0.25))} … ${percent(at(ratios, 0.75))}`,
    });
  }
  await contender.check();
} finally {
  await contender.stop();
}
console.table(rows);
