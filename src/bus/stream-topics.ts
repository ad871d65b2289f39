import { SseError } from '../errors.js';
import { checkTopics } from '../log/event-record.js';
import { TopicMatcher } from '../log/matching.js';

const LITERAL_PATTERN =
  "bus.stream() was given a topic with '*' in the place of a segment, which is the topic of that very name and no " +
  'pattern. A pattern is a matcher: bus.stream(matching(…))';

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
  const checked = checkTopics(topics);
  if (checked.some(looksLikePattern)) warnOnce(LITERAL_PATTERN);
  return checked;
}

function looksLikePattern(topic: string): boolean {
  return topic.includes('*') && topic.split('.').some((segment) => /^\*\*?$/.test(segment));
}
