import { TopicMatcher } from './matching.js';

/** How long the events of some topics are kept when the tail no longer holds them. */
export interface TopicRetention {
  /**
   * A topic, or a pattern of dot-separated segments as `matching()` takes it: `*` is any one segment, a last
   * `**` any rest.
   */
  readonly match: string;
  /**
   * Milliseconds that an event is kept, or false for as long as there is room for it.
   *
   * @defaultValue false
   */
  readonly keepFor?: number | false | undefined;
  /**
   * Events that are kept of each topic, or false for as many as there is room for.
   *
   * @defaultValue false
   */
  readonly keepEvents?: number | false | undefined;
  /**
   * Whether only the last event of each `key` is kept; events without a key are kept by the other bounds.
   *
   * @defaultValue false
   */
  readonly keepLatestPerKey?: boolean | undefined;
}

/** {@link TopicRetention}, complete. */
export interface Retention {
  readonly keepFor: number | false;
  readonly keepEvents: number | false;
  readonly keepLatestPerKey: boolean;
}

/** Topics whose rule is remembered: more are looked up again. */
const REMEMBERED = 10_000;

/** Which topics are kept, and for how long: of several rules the first that matches a topic counts. */
export class RetentionRules {
  readonly #rules: readonly { readonly matcher: TopicMatcher; readonly retention: Retention }[];
  #known = new Map<string, Retention | undefined>();

  /** @throws SseError `BAD_TOPIC` for a pattern that is none */
  constructor(rules: readonly TopicRetention[] = []) {
    this.#rules = rules.map(
      ({ match, keepFor = false, keepEvents = false, keepLatestPerKey = false }) => ({
        matcher: new TopicMatcher(match),
        retention: Object.freeze({ keepFor, keepEvents, keepLatestPerKey }),
      }),
    );
  }

  get isEmpty(): boolean {
    return this.#rules.length === 0;
  }

  get patterns(): readonly string[] {
    return this.#rules.map(({ matcher }) => matcher.pattern);
  }

  /** How a topic is kept; undefined if it is not. */
  of(topic: string): Retention | undefined {
    if (this.#rules.length === 0) return undefined;
    if (this.#known.has(topic)) return this.#known.get(topic);
    const found = this.#rules.find(({ matcher }) => matcher.matches(topic))?.retention;
    if (this.#known.size >= REMEMBERED) this.#known = new Map();
    this.#known.set(topic, found);
    return found;
  }
}
