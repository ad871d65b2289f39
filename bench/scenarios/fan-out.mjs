import { Contender } from '../lib/contender.mjs';
import { progress } from '../lib/progress.mjs';

/**
 * Server CPU per delivered event, of many clients on one topic: all servers are connected all the time,
 * and each round measures one after the other.
 *
 * @param {{ clients: number, rounds: number, ticks: number, bursts: number[], warmUp: number }} size
 * @returns {Promise<Record<string, Record<string, number[]>>>} microseconds by burst, server and round
 */
export async function fanOut(servers, { clients, rounds, ticks, bursts, warmUp }) {
  const results = Object.fromEntries(bursts.map((burst) => [burst, {}]));
  const contenders = [];
  try {
    for (const entry of servers) {
      progress(`${clients} clients: ${entry.label}`);
      const contender = await new Contender(entry).start();
      contenders.push(contender);
      await contender.connect({ clients });
      for (const count of bursts) await costOf(contender, Math.ceil(warmUp / count), count);
    }
    for (let round = 0; round < rounds; round++) {
      for (const count of bursts) {
        for (const contender of rotate(contenders, round)) {
          progress(`${clients} clients, round ${round + 1}/${rounds}: ${contender.entry.label}`);
          const cost = await costOf(contender, count === 1 ? ticks : Math.ceil(ticks / 3), count);
          (results[count][contender.key] ??= []).push(cost / clients);
        }
      }
    }
    for (const contender of contenders) await contender.check();
  } finally {
    await Promise.all(contenders.map((contender) => contender.stop()));
  }
  return results;
}

/** Microseconds of CPU for one event. */
async function costOf(contender, ticks, count) {
  const cpu = await contender.cpuOf(async () => {
    for (let i = 0; i < ticks; i++) await contender.tick({ count });
  });
  return (cpu * 1_000) / (ticks * count);
}

/** No server is always first or last. */
export function rotate(list, by) {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}
