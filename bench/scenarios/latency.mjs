import { Contender } from '../lib/contender.mjs';
import { progress } from '../lib/progress.mjs';
import { rotate } from './fan-out.mjs';

const MODERATE = 20;
const LIMIT = 100;
const STEP = 1.35;

/**
 * Latency with 1,000 clients at a rate that every server can hold, and the highest rate at which 99 of
 * 100 deliveries take less than 100 ms.
 *
 * @returns {Promise<{ p50: object, p99: object, p999: object, rate: object }>} by server and round
 */
export async function latency(servers, { clients = 1_000, rounds = 3, seconds = 4 } = {}) {
  const results = { p50: {}, p99: {}, p999: {}, rate: {} };
  const contenders = [];
  try {
    for (const entry of servers) {
      progress(`latency: ${entry.label}`);
      const contender = await new Contender(entry).start();
      contenders.push(contender);
      await contender.connect({ clients });
      await contender.latency({ perSecond: MODERATE, seconds: 1.5 });
    }
    for (let round = 0; round < rounds; round++) {
      for (const contender of rotate(contenders, round)) {
        progress(`latency, round ${round + 1}/${rounds}: ${contender.entry.label}`);
        const measured = await contender.latency({ perSecond: MODERATE, seconds });
        for (const name of ['p50', 'p99', 'p999']) {
          (results[name][contender.key] ??= []).push(measured[name]);
        }
      }
    }
    for (const contender of contenders) {
      progress(`highest rate: ${contender.entry.label}`);
      results.rate[contender.key] = [await highestRate(contender)];
    }
  } finally {
    await Promise.all(contenders.map((contender) => contender.stop()));
  }
  return results;
}

/** Events per second; steps up until a step fails. */
async function highestRate(contender) {
  let held = 0;
  for (let rate = MODERATE; rate < 2_000; rate *= STEP) {
    if (!(await holds(contender, rate))) break;
    held = rate;
  }
  return Math.round(held);
}

/** A step that fails has two more chances: something else may have had the processor. */
async function holds(contender, perSecond) {
  for (let attempt = 0; attempt < 3; attempt++) {
    const { p99, isComplete } = await contender.latency({ perSecond, seconds: 1.5 });
    if (!isComplete) return false;
    if (p99 < LIMIT) return true;
  }
  return false;
}
