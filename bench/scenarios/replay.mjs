import { Contender } from '../lib/contender.mjs';
import { progress } from '../lib/progress.mjs';

const CLIENTS = 1_000;
/** Each event is about ten topics, so that 10,000 events are 100 for each of 1,000 topics. */
const TOPICS_PER_EVENT = 10;
const MISSED = 100;

/**
 * 1,000 clients come back at once, each of which missed 100 events of its own topic: milliseconds of the
 * longest block of the event loop, beside the same clients with nothing to replay.
 *
 * @returns {Promise<Record<string, { connects: number[], replay: number[] }>>} by length of the log
 */
export async function replay(entry, { rounds = 5, lengths = [10_000, 50_000] } = {}) {
  const results = {};
  for (const length of lengths) {
    const args = { options: { history: { maxEvents: length, maxBytes: 2 ** 30 } } };
    const contender = await new Contender(entry, { args }).start();
    try {
      const before = await contender.ask('cursor');
      await fill(contender, length);
      const head = await contender.ask('cursor');
      const result = (results[length] = { connects: [], replay: [] });
      await storm(contender, head, 0);
      await storm(contender, before, MISSED);
      for (let round = 0; round < rounds; round++) {
        progress(`replay from a log of ${length} events, round ${round + 1}/${rounds}`);
        result.connects.push(await storm(contender, head, 0));
        result.replay.push(await storm(contender, before, MISSED));
      }
    } finally {
      await contender.stop();
    }
  }
  return results;
}

/** What the clients missed, spread over the whole log, with events of other topics between. */
async function fill(contender, length) {
  const own = (CLIENTS * MISSED) / TOPICS_PER_EVENT;
  const every = length / own;
  const groups = Array.from({ length }, (_, i) => {
    if (i % every !== 0) return { n: i, topics: ['elsewhere'] };
    const first = (i / every) * TOPICS_PER_EVENT;
    const topics = Array.from({ length: TOPICS_PER_EVENT }, (_, k) => `t${(first + k) % CLIENTS}`);
    return { n: Math.floor(first / CLIENTS), topics };
  });
  for (let i = 0; i < length; i += 1_000) {
    await contender.ask('fill', { groups: groups.slice(i, i + 1_000) });
  }
}

async function storm(contender, lastEventId, missed) {
  await contender.ask('watchLoop');
  const pathOf = (i) => `/t${i}`;
  await contender.connect({ clients: CLIENTS, pathOf, lastEventId, atOnce: true });
  await contender.until(CLIENTS * missed);
  const block = await contender.ask('longestBlock');
  await contender.check(missed);
  await contender.disconnect();
  await new Promise((resolve) => setTimeout(resolve, 300));
  return block;
}
