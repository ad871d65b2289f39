import type { Entry } from './entry.js';
import { LostTopics } from './lost-topics.js';
import { TopicIndex } from './topic-index.js';
import type { TurnScheduler } from './turn-scheduler.js';

/** Selects topics by a rule. Two matchers with the same `pattern` are the same matcher. */
export interface TopicRule {
  readonly pattern: string;
  matches(topic: string): boolean;
}

/** Matchers that nobody uses are kept this long, in number, so that clients that come back find them. */
const IDLE_MATCHERS = 16;

/** The indexes of all topics that have an event in the log or a reader, and of all matchers in use. */
export class Topics {
  readonly #byTopic = new Map<string, TopicIndex>();
  readonly #byPattern = new Map<string, { rule: TopicRule; index: TopicIndex }>();
  /** Matchers without a reader, by pattern, the one that was used last at the end. */
  readonly #idlePatterns = new Set<string>();
  readonly #lostTopics = new LostTopics();
  readonly #turn: TurnScheduler;

  constructor(turn: TurnScheduler) {
    this.#turn = turn;
  }

  get size(): number {
    return this.#byTopic.size + this.#byPattern.size;
  }

  add(entry: Entry): void {
    for (const topic of entry.topics) this.#open(topic).add(entry);
    for (const { rule, index } of this.#byPattern.values()) {
      if (entry.topics.some((topic) => rule.matches(topic))) index.add(entry);
    }
  }

  drop(entry: Entry): void {
    for (const topic of entry.topics) {
      const index = this.#byTopic.get(topic);
      index?.drop(entry);
      if (index !== undefined) this.#forgetIfUnused(topic, index);
    }
    for (const { index } of this.#byPattern.values()) index.drop(entry);
  }

  /** The log has lost its entries, and everything up to `lost` with them. */
  clear(lost: number): void {
    this.#lostTopics.clear(lost);
    for (const [topic, index] of this.#byTopic) {
      index.clear(lost);
      this.#forgetIfUnused(topic, index);
    }
    for (const { index } of this.#byPattern.values()) index.clear(lost);
  }

  /** Events up to `offset`, of nobody knows which topics, are gone. */
  lose(offset: number): void {
    this.#lostTopics.lose(offset);
    const patterns = [...this.#byPattern.values()].map(({ index }) => index);
    for (const index of [...this.#byTopic.values(), ...patterns]) {
      index.lost = Math.max(index.lost, offset);
    }
  }

  /** Every reader is told to look. */
  announceAll(): void {
    for (const index of this.#byTopic.values()) index.announcements.next();
    for (const { index } of this.#byPattern.values()) index.announcements.next();
  }

  ofTopic(topic: string): TopicIndex {
    return this.#open(topic);
  }

  /** @param held the log's entries; looked through once for each distinct matcher, not for each reader */
  ofRule(rule: TopicRule, held: Iterable<Entry>): TopicIndex {
    this.#idlePatterns.delete(rule.pattern);
    const known = this.#byPattern.get(rule.pattern);
    if (known !== undefined) return known.index;
    const index = new TopicIndex(this.#lostOf(rule), this.#turn);
    for (const entry of held) {
      if (entry.topics.some((topic) => rule.matches(topic))) index.add(entry);
    }
    this.#byPattern.set(rule.pattern, { rule, index });
    return index;
  }

  /** A reader has let go of a topic. */
  release(topic: string): void {
    const index = this.#byTopic.get(topic);
    if (index !== undefined) this.#forgetIfUnused(topic, index);
  }

  /** A reader has let go of a matcher. Few are kept without one: each is asked about every event. */
  releaseRule({ pattern }: TopicRule): void {
    if (this.#byPattern.get(pattern)?.index.announcements.observed !== false) return;
    this.#idlePatterns.add(pattern);
    if (this.#idlePatterns.size <= IDLE_MATCHERS) return;
    const [oldest = pattern] = this.#idlePatterns;
    this.#idlePatterns.delete(oldest);
    this.#byPattern.delete(oldest);
  }

  /** The index of a topic that has an event in the log or a reader. */
  find(topic: string): TopicIndex | undefined {
    return this.#byTopic.get(topic);
  }

  #open(topic: string): TopicIndex {
    let index = this.#byTopic.get(topic);
    if (index === undefined) {
      index = new TopicIndex(this.#lostTopics.claim(topic), this.#turn);
      this.#byTopic.set(topic, index);
    }
    return index;
  }

  #forgetIfUnused(topic: string, index: TopicIndex): void {
    if (index.entries.length > 0 || index.announcements.observed) return;
    this.#byTopic.delete(topic);
    this.#lostTopics.remember(topic, index.lost);
  }

  #lostOf(rule: TopicRule): number {
    let lost = this.#lostTopics.lastOf(rule);
    for (const [topic, index] of this.#byTopic) {
      if (index.lost > lost && rule.matches(topic)) lost = index.lost;
    }
    return lost;
  }
}
