import { internalRetention, isInternal, isKeptInternally } from './internal-topics.js';
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
   * Events that are kept of each topic, its end (`bus.complete()`) counted as one, or false for as many as there is room for.
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
  /** Whether all of a topic's events go together, `keepFor` after the last one. */
  readonly isWhole: boolean;
  /**
   * Whether `archive.maxBytes` has no say: whoever publishes sees to it that there is not too much. Entries of such a
   * topic may each say how long: as long as there are any, the longest counts.
   */
  readonly isExempt: boolean;
}

/** Topics whose rule is remembered: more are looked up again. */
const REMEMBERED = 10_000;

/** Which topics are kept, and for how long: of several rules the first that matches a topic counts. */
export class RetentionRules {
  readonly #rules: readonly { readonly matcher: TopicMatcher; readonly retention: Retention }[];
  #known = new Map<string, Retention | undefined>();
  /** Of topics of this package itself what their last key said: a run says the same of each of thousands of entries. */
  #last = new Map<
    string,
    { readonly key: string | undefined; readonly said: Retention | undefined }
  >();

  /** @throws SseError `BAD_TOPIC` for a pattern that is none */
  constructor(rules: readonly TopicRetention[] = []) {
    this.#rules = rules.map(
      ({ match, keepFor = false, keepEvents = false, keepLatestPerKey = false }) => ({
        matcher: new TopicMatcher(match),
        retention: Object.freeze({
          keepFor,
          keepEvents,
          keepLatestPerKey,
          isWhole: false,
          isExempt: false,
        }),
      }),
    );
  }

  get isEmpty(): boolean {
    return this.#rules.length === 0;
  }

  /** Whether one of the topics may be kept. */
  mayKeep(topics: readonly string[]): boolean {
    return this.#rules.length > 0 || topics.some(isInternal);
  }

  get patterns(): readonly string[] {
    return this.#rules.map(({ matcher }) => matcher.pattern);
  }

  /** Whether a topic is kept. */
  keeps(topic: string): boolean {
    return isInternal(topic) ? isKeptInternally(topic) : this.of(topic) !== undefined;
  }

  /** How a topic is kept, or an entry of it with that key; undefined if it is not. */
  of(topic: string, key?: string): Retention | undefined {
    if (isInternal(topic)) return this.#own(topic, key);
    if (this.#rules.length === 0) return undefined;
    if (this.#known.has(topic)) return this.#known.get(topic);
    const found = this.#rules.find(({ matcher }) => matcher.matches(topic))?.retention;
    if (this.#known.size >= REMEMBERED) this.#known = new Map();
    this.#known.set(topic, found);
    return found;
  }

  #own(topic: string, key: string | undefined): Retention | undefined {
    const last = this.#last.get(topic);
    if (last !== undefined && last.key === key) return last.said;
    const said = ownRetention(topic, key);
    if (this.#last.size >= REMEMBERED) this.#last = new Map();
    this.#last.set(topic, { key, said });
    return said;
  }
}

function ownRetention(topic: string, key: string | undefined): Retention | undefined {
  const own = internalRetention(topic, key);
  if (own === undefined) return undefined;
  return Object.freeze({ ...own, keepEvents: false, keepLatestPerKey: false, isExempt: true });
}
