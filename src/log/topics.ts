import type { Entry } from './entry.js';
import { TopicIndex } from './topic-index.js';

/** Selects topics by a rule. Two matchers with the same `pattern` are the same matcher. */
export interface TopicRule {
  readonly pattern: string;
  matches(topic: string): boolean;
}

/** Matchers that nobody uses are kept this long, in number, so that clients that come back find them. */
const IDLE_MATCHERS = 16;
/** Topics without an event in the log whose last lost offset is still known one by one. */
const REMEMBERED_TOPICS = 10_000;

/** The indexes of all topics that have an event in the log or a reader, and of all matchers in use. */
export class Topics {
  readonly #byTopic = new Map<string, TopicIndex>();
  readonly #byPattern = new Map<string, { rule: TopicRule; index: TopicIndex }>();
  /** Where topics stood when their index was dropped, oldest first. */
  readonly #lostByTopic = new Map<string, number>();
  #lostElsewhere = 0;
  /** Counts the rounds in which readers read. */
  #round = 0;

  get size(): number {
    return this.#byTopic.size + this.#byPattern.size;
  }

  /** From now on readers read: what is added later has to be announced anew. */
  beginRound(): void {
    this.#round++;
  }

  add(entry: Entry): void {
    for (const topic of entry.topics) {
      const index = this.#open(topic);
      index.add(entry);
      index.announce(this.#round);
    }
    for (const { rule, index } of this.#byPattern.values()) {
      if (!entry.topics.some((topic) => rule.matches(topic))) continue;
      index.add(entry);
      index.announce(this.#round);
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
    this.#lostByTopic.clear();
    this.#lostElsewhere = lost;
    for (const [topic, index] of this.#byTopic) {
      index.clear(lost);
      this.#forgetIfUnused(topic, index);
    }
    for (const { index } of this.#byPattern.values()) index.clear(lost);
  }

  /** Events up to `offset`, of nobody knows which topics, are gone. */
  lose(offset: number): void {
    this.#lostElsewhere = Math.max(this.#lostElsewhere, offset);
    for (const [topic, lost] of this.#lostByTopic) {
      if (lost <= offset) this.#lostByTopic.delete(topic);
    }
    const patterns = [...this.#byPattern.values()].map(({ index }) => index);
    for (const index of [...this.#byTopic.values(), ...patterns]) {
      index.lost = Math.max(index.lost, offset);
    }
  }

  /** Every reader is told to look. */
  announceAll(): void {
    for (const index of this.#byTopic.values()) index.announce(this.#round);
    for (const { index } of this.#byPattern.values()) index.announce(this.#round);
  }

  ofTopic(topic: string): TopicIndex {
    return this.#open(topic);
  }

  /** @param held the log's entries; looked through once for each distinct matcher, not for each reader */
  ofRule(rule: TopicRule, held: Iterable<Entry>): TopicIndex {
    const known = this.#byPattern.get(rule.pattern);
    if (known !== undefined) return known.index;
    this.#dropIdleMatchers();
    const index = new TopicIndex(this.#lostOf(rule));
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

  /** The index of a topic that has an event in the log or a reader. */
  find(topic: string): TopicIndex | undefined {
    return this.#byTopic.get(topic);
  }

  #open(topic: string): TopicIndex {
    let index = this.#byTopic.get(topic);
    if (index === undefined) {
      index = new TopicIndex(this.#lostByTopic.get(topic) ?? this.#lostElsewhere);
      this.#lostByTopic.delete(topic);
      this.#byTopic.set(topic, index);
    }
    return index;
  }

  #forgetIfUnused(topic: string, index: TopicIndex): void {
    if (index.entries.length > 0 || index.announcements.observed) return;
    this.#byTopic.delete(topic);
    if (index.lost <= this.#lostElsewhere) return;
    this.#lostByTopic.set(topic, index.lost);
    if (this.#lostByTopic.size <= REMEMBERED_TOPICS) return;
    const [oldest] = this.#lostByTopic;
    if (oldest === undefined) return;
    this.#lostByTopic.delete(oldest[0]);
    this.#lostElsewhere = Math.max(this.#lostElsewhere, oldest[1]);
  }

  #lostOf(rule: TopicRule): number {
    let lost = this.#lostElsewhere;
    for (const [topic, offset] of this.#lostByTopic) {
      if (offset > lost && rule.matches(topic)) lost = offset;
    }
    for (const [topic, index] of this.#byTopic) {
      if (index.lost > lost && rule.matches(topic)) lost = index.lost;
    }
    return lost;
  }

  #dropIdleMatchers(): void {
    let spare = -IDLE_MATCHERS;
    for (const { index } of this.#byPattern.values()) if (!index.announcements.observed) spare++;
    for (const [pattern, { index }] of this.#byPattern) {
      if (spare < 0) return;
      if (index.announcements.observed) continue;
      this.#byPattern.delete(pattern);
      spare--;
    }
  }
}
