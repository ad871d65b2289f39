import { Contender } from '../lib/contender.mjs';
import { progress } from '../lib/progress.mjs';

const FEW = 1_000;
const MANY = 5_000;

/**
 * Memory that an idle connection costs: what 4,000 more of them add after a garbage collection.
 *
 * @returns {Promise<{ heap: object, rss: object }>} kilobytes by server and round
 */
export async function memory(servers, { rounds = 1 } = {}) {
  const results = { heap: {}, rss: {} };
  for (let round = 0; round < rounds; round++) {
    for (const entry of servers) {
      progress(`memory, round ${round + 1}/${rounds}: ${entry.label}`);
      const contender = await new Contender(entry, { execArgv: ['--expose-gc'] }).start();
      try {
        const few = await measure(contender, FEW);
        const many = await measure(contender, MANY - FEW);
        const perConnection = (name) => (many[name] - few[name]) / (MANY - FEW) / 1_024;
        for (const name of ['heap', 'rss']) {
          (results[name][entry.key] ??= []).push(perConnection(name));
        }
      } finally {
        await contender.stop();
      }
    }
  }
  return results;
}

async function measure(contender, clients) {
  await contender.connect({ clients });
  await contender.tick({});
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  return contender.ask('memory');
}
