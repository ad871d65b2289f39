import { Contender } from '../lib/contender.mjs';
import { progress } from '../lib/progress.mjs';

const COUNT = 5_000;

/**
 * Microseconds of CPU for a request to a route that is not SSE, with and without SseModule.
 *
 * @returns {Promise<{ without: number[], with: number[] }>}
 */
export async function plainRoute({ rounds = 7 } = {}) {
  const entry = { key: 'plain-route', label: 'a plain route' };
  const start = (hasSse) => new Contender(entry, { args: { hasSse } }).start();
  const contenders = { without: await start(false), with: await start(true) };
  const results = { without: [], with: [] };
  try {
    for (const contender of Object.values(contenders)) await costOf(contender);
    for (let round = 0; round < rounds; round++) {
      progress(`a plain route, round ${round + 1}/${rounds}`);
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
