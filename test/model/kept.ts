import { type Published, selects } from './reference.js';

/** A rule of a run. What is kept for a time is too old when the run says so. */
export interface Rule {
  readonly match: string;
  readonly keepEvents: number | false;
  readonly keepFor: number | false;
  readonly keepLatestPerKey: boolean;
}

/** Longer than any run takes. */
export const KEEP_FOR = 10_000_000;

interface Topic {
  kept: Published[];
  /** By which later one. */
  readonly replaced: Map<Published, Published>;
  /** What it lost, with how many losses there had been in all. */
  readonly lost: Map<Published, number>;
}

/** What rules keep of what was published: an account of its own, by what users are told of rules. */
export class Kept {
  /** How many events topics have lost. */
  losses = 0;
  /** Whether a topic may have been forgotten: then others may be told of its losses. */
  isVague = false;
  readonly #topics = new Map<string, Topic>();

  /**
   * @param rules the first that matches a topic counts
   * @param readsPatterns whether the archive can be asked for what a pattern selects
   */
  constructor(
    readonly rules: readonly Rule[],
    readonly readsPatterns: boolean,
  ) {}

  ruleOf(topic: string): Rule | undefined {
    return this.rules.find(({ match }) => selects(match, topic));
  }

  add(event: Published): void {
    for (const name of event.topics) {
      const rule = this.ruleOf(name);
      if (rule === undefined) continue;
      const topic = this.#topicOf(name);
      const { key } = event;
      const replaced =
        rule.keepLatestPerKey && key !== undefined && topic.kept.find((each) => each.key === key);
      if (replaced) {
        topic.kept = topic.kept.filter((each) => each !== replaced);
        topic.replaced.set(replaced, event);
      }
      topic.kept.push(event);
      if (rule.keepEvents === false) continue;
      while (topic.kept.length > rule.keepEvents) this.#loseOldest(topic);
    }
  }

  /** Whatever is kept for a time is too old now. */
  expire(): void {
    for (const [name, topic] of this.#topics) {
      if (this.ruleOf(name)?.keepFor !== false)
        while (topic.kept.length > 0) this.#loseOldest(topic);
    }
  }

  /** Another epoch begins: all that was kept is gone. */
  clear(): void {
    for (const topic of this.#topics.values()) {
      while (topic.kept.length > 0) this.#loseOldest(topic);
    }
    this.isVague = false;
  }

  has(topic: string, event: Published): boolean {
    return this.#topics.get(topic)?.kept.includes(event) === true;
  }

  /** Whether a later event of its key was kept in the place of this one, when so many had been published. */
  isReplaced(topic: string, event: Published, published = Infinity): boolean {
    return (this.#topics.get(topic)?.replaced.get(event)?.n ?? Infinity) < published;
  }

  /** Whether it was lost when there had been so many losses. */
  hadLost(topic: string, event: Published, losses = Infinity): boolean {
    return (this.#topics.get(topic)?.lost.get(event) ?? Infinity) <= losses;
  }

  #topicOf(name: string): Topic {
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      topic = { kept: [], replaced: new Map(), lost: new Map() };
      this.#topics.set(name, topic);
    }
    return topic;
  }

  #loseOldest(topic: Topic): void {
    const oldest = topic.kept.shift();
    if (oldest !== undefined) topic.lost.set(oldest, ++this.losses);
  }
}
