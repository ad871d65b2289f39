import { matching } from '../log/matching.js';
import type { TopicRetention } from '../log/retention.js';
import { GivenOptions } from '../options.js';

/**
 * `topics` of a `history` option, complete and checked.
 *
 * @throws SseError `BAD_OPTION`, and `BAD_TOPIC` for a pattern that is none
 */
export function retentionOptions(history: GivenOptions): readonly TopicRetention[] {
  const rules = history.get('topics') ?? [];
  if (!Array.isArray(rules)) throw history.bad('topics', 'an array of { match, … }');
  return Object.freeze(
    rules.map((rule, index) => retentionOf(history.owner, rule, `history.topics[${index}]`)),
  );
}

function retentionOf(owner: string, rule: unknown, name: string): TopicRetention {
  const known = ['match', 'keepFor', 'keepEvents', 'keepLatestPerKey'];
  const given = new GivenOptions(owner, name, rule ?? null, known, `${name}.`);
  const match = given.get('match');
  if (typeof match !== 'string')
    throw given.bad('match', "a topic or a pattern, such as 'user.**'");
  matching(match);
  const bound = { least: 1, mayBeOff: true } as const;
  const keepFor = given.number('keepFor', false, bound, Number.MAX_SAFE_INTEGER);
  const keepEvents = given.number('keepEvents', false, bound);
  const keepLatestPerKey = given.boolean('keepLatestPerKey', false);
  return Object.freeze({ match, keepFor, keepEvents, keepLatestPerKey });
}
