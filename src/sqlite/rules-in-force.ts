import { TopicMatcher } from '../log/matching.js';
import { RetentionRules, type TopicRetention } from '../log/retention.js';

/** A rule, and since when it has been obeyed by everybody who publishes: after this offset, and that time. */
interface Since extends TopicRetention {
  readonly offset: number;
  readonly at: number;
}

/** No rules, as the file has them. */
const NONE = '[]';
const NEVER: Since = { match: '', offset: 0, at: 0 };

/**
 * What was published before a rule was there is not kept, and whoever asks for it has to be told. So the file has the
 * rules of the instance that started or published last, and since when each of them has been in force.
 */
export class RulesInForce {
  readonly #rules: readonly TopicRetention[];
  readonly #matchers: readonly TopicMatcher[];
  #text = '';
  #since: readonly Since[] = [];

  constructor(rules: readonly TopicRetention[] = []) {
    const first = new Map(rules.toReversed().map((rule) => [rule.match, rule]));
    this.#rules = rules.filter((rule) => first.get(rule.match) === rule);
    this.#matchers = this.#rules.map(({ match }) => new TopicMatcher(match));
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
      this.#since = this.#rules.map((rule) => {
        const { offset, at } = known.get(rule.match) ?? { offset: head, at: now };
        return { ...rule, offset, at };
      });
      this.#text = JSON.stringify(this.#since);
    }
    return this.#text;
  }

  /** What a log that has nothing yet has to say. */
  get first(): string {
    return this.follow(NONE, 0, Date.now());
  }

  /** Since when the topic is kept, or whatever a pattern selects. */
  sinceOf(topic: string | { readonly pattern: string }): Since {
    if (typeof topic === 'string') {
      return this.#since[this.#matchers.findIndex((each) => each.matches(topic))] ?? NEVER;
    }
    return this.#since.reduce((last, each) => (each.offset > last.offset ? each : last), NEVER);
  }
}

/** The rules of the instances, for a process that has none of its own. */
export class RulesOfInstances {
  #text = NONE;
  #rules = new RetentionRules();

  /** @param text what the file says */
  of(text: string): RetentionRules {
    if (text !== this.#text) {
      this.#rules = new RetentionRules(JSON.parse(text) as Since[]);
      this.#text = text;
    }
    return this.#rules;
  }
}
