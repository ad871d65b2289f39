import { Contender } from '../lib/contender.mjs';
import { progress } from '../lib/progress.mjs';

const CLIENTS = 10_000;
const SWEEP = 1_000;

/**
 * Microseconds of CPU for a publish that has one subscriber, while 10,000 clients have a topic each.
 *
 * @returns {Promise<Record<string, number[]>>} by server and round
 */
export async function topics(servers, { rounds = 3 } = {}) {
  const results = {};
  for (const entry of servers) {
    progress(`10,000 clients on 10,000 topics: ${entry.label}`);
    const contender = await new Contender(entry).start();
    try {
      await contender.connect({ clients: CLIENTS, pathOf: (i) => `/t${i}` });
      const sweep = async (first) => {
        const swept = Array.from({ length: SWEEP }, (_, i) => `t${(first + i * 7) % CLIENTS}`);
        await contender.ask('sweep', { topics: swept });
        await contender.until(SWEEP);
      };
      for (let i = 0; i < 4; i++) await sweep(i);
      for (let round = 0; round < rounds; round++) {
        const cpu = await contender.cpuOf(() => sweep(round + 1));
        (results[entry.key] ??= []).push((cpu * 1_000) / SWEEP);
      }
    } finally {
      await contender.stop();
    }
  }
  return results;
}
