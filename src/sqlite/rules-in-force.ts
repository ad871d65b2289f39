import { TopicMatcher } from '../log/matching.js';
import type { TopicRetention } from '../log/retention.js';

/** Since when a rule has been obeyed by everybody who publishes: after this offset, and that time. */
interface Since {
  readonly match: string;
  readonly offset: number;
  readonly at: number;
}

const NEVER: Since = { match: '', offset: 0, at: 0 };

/**
 * What was published before a rule was there is not kept, and whoever asks for it has to be told. So the file has the
 * rules of whoever published last, and since when each of them has been in force.
 */
export class RulesInForce {
  readonly #matchers: readonly TopicMatcher[];
  #text = '';
  #since: readonly Since[] = [];

  constructor(rules: readonly TopicRetention[] = []) {
    this.#matchers = [...new Set(rules.map(({ match }) => match))].map(
      (match) => new TopicMatcher(match),
    );
  }

  /**
   * What the file has to say with the next event.
   *
   * @param text what it says now
   * @param head of the log, as it is now
   */
  follow(text: string, head: number, now: number): string {
    if (text !== this.#text) {
      const known = new Map((JSON.parse(text) as Since[]).map((each) => [each.match, each]));
      this.#since = this.#matchers.map(
        ({ pattern }) => known.get(pattern) ?? { match: pattern, offset: head, at: now },
      );
      this.#text = JSON.stringify(this.#since);
    }
    return this.#text;
  }

  /** Since when the topic is kept, or whatever a pattern selects. */
  sinceOf(topic: string | { readonly pattern: string }): Since {
    if (typeof topic === 'string') {
      return this.#since[this.#matchers.findIndex((each) => each.matches(topic))] ?? NEVER;
    }
    return this.#since.reduce((last, each) => (each.offset > last.offset ? each : last), NEVER);
  }
}
