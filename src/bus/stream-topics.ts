import { SseError } from '../errors.js';
import { checkTopics } from '../log/event-record.js';
import { TopicMatcher } from '../log/matching.js';

/**
 * What a stream is of.
 *
 * @throws SseError `BAD_TOPIC`
 */
export function streamTopics(
  topics: string | readonly string[] | TopicMatcher,
  warnOnce: (message: string) => void,
): readonly string[] | TopicMatcher {
  if (topics instanceof TopicMatcher) return topics;
  const list: readonly unknown[] = Array.isArray(topics) ? topics : [topics];
  if (list.some((topic) => topic instanceof TopicMatcher)) {
    throw new SseError(
      'BAD_TOPIC',
      'A matcher has a stream of its own: write merge(bus.stream(topics), bus.stream(matcher)), which a client of ' +
        '@Sse() gets in one order, each event once; received it among topics',
    );
  }
  return literalTopics(
    topics,
    'bus.stream()',
    'A pattern is a matcher: bus.stream(matching(…))',
    warnOnce,
  );
}

/**
 * Topics as they are written.
 *
 * @param taker what was given them
 * @param advice for whom a pattern was meant
 * @throws SseError `BAD_TOPIC`
 */
export function literalTopics(
  topics: unknown,
  taker: string,
  advice: string,
  warnOnce: (message: string) => void,
): readonly string[] {
  const checked = checkTopics(topics);
  if (checked.some(looksLikePattern)) {
    warnOnce(
      `${taker} was given a topic with '*' in the place of a segment, which is the topic of that very name and no pattern. ${advice}`,
    );
  }
  return checked;
}

function looksLikePattern(topic: string): boolean {
  return topic.includes('*') && topic.split('.').some((segment) => /^\*\*?$/.test(segment));
}
