import { Contender } from '../lib/contender.mjs';
import { progress } from '../lib/progress.mjs';

const READERS = 900;
const STALLED = 100;
/** 6 MiB for each stalled client: more than the kernel keeps for a socket. */
const FILL = { events: 96, size: 64 * 1024 };
const RATE = { perSecond: 20, seconds: 4 };

/**
 * p99 latency of 900 clients that read, alone and beside 100 that do not.
 *
 * @returns {Promise<{ alone: object, beside: object }>} milliseconds by server and round
 */
export async function stalled(servers, { rounds = 3 } = {}) {
  const results = { alone: {}, beside: {} };
  for (let round = 0; round < rounds; round++) {
    for (const entry of servers) {
      progress(`stalled clients, round ${round + 1}/${rounds}: ${entry.label}`);
      // Both get a process of their own and the same warm-up; which comes first alternates.
      const order = round % 2 === 0 ? ['alone', 'beside'] : ['beside', 'alone'];
      for (const name of order) {
        const p99 = await measure(entry, name === 'beside');
        (results[name][entry.key] ??= []).push(p99);
      }
    }
  }
  return results;
}

async function measure(entry, hasStalled) {
  const contender = await new Contender(entry).start();
  try {
    if (hasStalled) await contender.connectStalled({ clients: STALLED, ...FILL });
    await contender.connect({ clients: READERS });
    await contender.latency({ ...RATE, seconds: 2 });
    const { p99 } = await contender.latency(RATE);
    return p99;
  } finally {
    await contender.stop();
  }
}
