import { isKeptInternally } from '../log/internal-topics.js';
import { TopicMatcher } from '../log/matching.js';
import type { TopicRetention } from '../log/retention.js';

/** The rules of an instance as the script takes them: of each its pattern, milliseconds, events, and whether by key. */
export function rulesInForce(rules: readonly TopicRetention[] = []): string {
  const all = rules.map(({ match, keepFor, keepEvents, keepLatestPerKey }) => [
    match,
    keepFor === false ? 0 : (keepFor ?? 0),
    keepEvents === false ? 0 : (keepEvents ?? 0),
    keepLatestPerKey === true ? 1 : 0,
  ]);
  return JSON.stringify(all);
}

/** From where on, in offsets and in milliseconds since the Unix epoch, something is kept. */
export interface Since {
  readonly offset: number;
  readonly at: number;
}

const ALWAYS: Since = { offset: 0, at: 0 };

/** Since when each rule has been obeyed by everybody who publishes, as the script has noted it. */
export class RulesInForce {
  #text: string | undefined;
  #matchers: readonly TopicMatcher[] = [];
  #since: readonly Since[] = [];

  /** Takes what Redis says. */
  follow(rules: string, since: string): void {
    const text = `${rules} ${since}`;
    if (text === this.#text) return;
    this.#matchers = (JSON.parse(rules) as [match: string][]).map(
      ([match]) => new TopicMatcher(match),
    );
    this.#since = since.split(' ').map((each) => {
      const [offset = 0, at = 0] = each.split(':').map(Number);
      return { offset, at };
    });
    this.#text = text;
  }

  /** Since when a topic is kept; undefined if it is not. One of this package itself says so in its name. */
  sinceOf(topic: string): Since | undefined {
    if (isKeptInternally(topic)) return ALWAYS;
    return this.#since[this.#matchers.findIndex((matcher) => matcher.matches(topic))];
  }
}
