import { Contender } from '../lib/contender.mjs';
import { progress } from '../lib/progress.mjs';
import { median } from '../lib/stats.mjs';

const COUNT = 5_000;

/**
 * Microseconds of CPU for a request to a route that is not SSE, without and with SseModule. Each pair is of servers in new
 * processes, since two that do the same differ by more than what is looked for.
 *
 * @returns {Promise<{ without: number, with: number }[]>} the medians of each pair's rounds
 */
export async function plainRoute({ pairs = 7, rounds = 3 } = {}) {
  const measured = [];
  for (let pair = 0; pair < pairs; pair++) {
    const results = await pairOf(rounds, `pair ${pair + 1}/${pairs}`);
    measured.push({ without: median(results.without), with: median(results.with) });
  }
  return measured;
}

async function pairOf(rounds, title) {
  const entry = { key: 'plain-route', label: 'a plain route' };
  const start = (hasSse) => new Contender(entry, { args: { hasSse } }).start();
  const contenders = { without: await start(false), with: await start(true) };
  const results = { without: [], with: [] };
  try {
    for (const contender of Object.values(contenders)) await costOf(contender);
    for (let round = 0; round < rounds; round++) {
      progress(`a plain route, ${title}, round ${round + 1}/${rounds}`);
      const order = round % 2 === 0 ? ['without', 'with'] : ['with', 'without'];
      for (const name of order) results[name].push(await costOf(contenders[name]));
    }
  } finally {
    await Promise.all(Object.values(contenders).map((contender) => contender.stop()));
  }
  return results;
}

async function costOf(contender) {
  const cpu = await contender.cpuOf(() => contender.request({ connections: 20, count: COUNT }));
  return (cpu * 1_000) / COUNT;
}
