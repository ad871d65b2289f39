// What this package costs a route that has nothing to do with SSE: `npm run build`, then `node bench/plain-route/run.mjs`.
import { plainRouteTable } from '../report/own.mjs';
import { plainRoute } from '../scenarios/plain-route.mjs';

const pairs = await plainRoute({
  pairs: Number(process.env.PAIRS ?? 7),
  rounds: Number(process.env.ROUNDS ?? 3),
});
console.table(
  pairs.map((pair) => ({
    'without, µs of CPU a request': pair.without.toFixed(1),
    'with SseModule, µs': pair.with.toFixed(1),
    'added, µs': (pair.with - pair.without).toFixed(1),
    ratio: (pair.with / pair.without).toFixed(3),
  })),
);
console.log(plainRouteTable(pairs));
