import { SseError, received } from '../errors.js';
import { MAX_NAME_LENGTH } from './event-record.js';
import { INTERNAL_RULE, isInternal } from './internal-topics.js';
import type { TopicRule } from './topics.js';

/** A rule that selects topics; made by {@link matching}. */
export class TopicMatcher implements TopicRule {
  readonly #expression: RegExp;

  /** @internal */
  constructor(readonly pattern: string) {
    if (typeof (pattern as unknown) !== 'string') {
      throw new SseError('BAD_TOPIC', `matching() takes a pattern: received ${received(pattern)}`);
    }
    if (pattern.length > MAX_NAME_LENGTH) {
      throw new SseError(
        'BAD_TOPIC',
        `matching() takes a pattern of at most ${MAX_NAME_LENGTH} characters: received ${received(pattern)}`,
      );
    }
    const segments = pattern.split('.');
    const source = segments.map((segment, index) => {
      if (segment === '*') return '[^.]+';
      if (segment === '**' && index === segments.length - 1) return '.+';
      if (segment === '' || segment.includes('*')) {
        throw new SseError(
          'BAD_TOPIC',
          `matching(${received(pattern)}): a segment is a literal, '*' for any one segment, or a last '**' for the rest`,
        );
      }
      return segment.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
    });
    // A wildcard selects no topic of this package itself.
    const bound = pattern.startsWith('*') ? '^(?!\\$)' : '^';
    this.#expression = new RegExp(`${bound}${source.join('\\.')}$`, 's');
  }

  matches(topic: string): boolean {
    return this.#expression.test(topic);
  }
}

/**
 * Selects topics by a pattern of dot-separated segments: `*` is any one segment, a last `**` any rest of
 * at least one. `matching('orders.*')` selects `orders.7` but not `orders.7.items`. Do not put what a
 * user sent into a pattern: a plain topic string is always literal, a pattern is not.
 *
 * @throws SseError `BAD_TOPIC` for `orders*`, `a.**.b`, an empty segment or what begins with `$`
 */
export function matching(pattern: string): TopicMatcher {
  if (typeof (pattern as unknown) === 'string' && isInternal(pattern)) {
    throw new SseError('BAD_TOPIC', `matching(): ${INTERNAL_RULE}; received ${received(pattern)}`);
  }
  return new TopicMatcher(pattern);
}
