import type { Entry, EventRecord } from './entry.js';
import { isInternal } from './internal-topics.js';
import { LostTopics } from './lost-topics.js';
import { ownCopy } from './own-copy.js';
import { SegmentTree } from './segment-tree.js';
import { TopicIndex } from './topic-index.js';
import { TopicMap } from './topic-map.js';

/** Selects topics by a pattern. Two matchers with the same `pattern` are the same matcher. */
export interface TopicRule {
  readonly pattern: string;
  matches(topic: string): boolean;
}

/** Matchers that nobody uses are kept this long, in number, so that clients that come back find them. */
const IDLE_MATCHERS = 16;
/** Types that are shared by the events that have them. */
const SHARED_TYPES = 256;

/** The indexes of all topics that have an event in the log or a reader, and of all matchers in use. */
export class Topics {
  readonly #byTopic = new TopicMap<TopicIndex>();
  readonly #byPattern = new Map<string, TopicIndex>();
  /** The same as {@link #byPattern}, so that an event costs the matchers that select it. */
  readonly #patterns = new SegmentTree<TopicIndex>();
  /** Matchers without a reader, by pattern, the one that was used last at the end. */
  readonly #idlePatterns = new Set<string>();
  readonly #lostTopics = new LostTopics();
  readonly #types = new Map<string, string>();
  #bytes = 0;

  get size(): number {
    return this.#byTopic.size + this.#byPattern.size;
  }

  /** What topics, keys and indexes count for. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The record with the topics, the key and the type that entries share; its topics have indexes from now on. */
  adopt(record: EventRecord): EventRecord {
    const indexes = record.topics.map((topic) => this.#open(topic));
    const [first] = indexes;
    const topics =
      first !== undefined && indexes.length === 1
        ? first.names
        : Object.freeze(indexes.flatMap(({ names }) => names));
    const key = record.key === undefined ? undefined : (first?.keyOf(record.key) ?? record.key);
    const { type, text, isJson, except, trace, at } = record;
    return { topics, type: this.#typeOf(type), text, isJson, key, except, trace, at };
  }

  #typeOf(type: string | undefined): string | undefined {
    if (type === undefined) return undefined;
    const known = this.#types.get(type);
    if (known !== undefined) return known;
    if (this.#types.size >= SHARED_TYPES) this.#types.clear();
    const own = ownCopy(type);
    this.#types.set(own, own);
    return own;
  }

  /** @param entry of a record that was adopted */
  add(entry: Entry): void {
    const { key } = entry;
    for (const topic of entry.topics) {
      const index = this.#open(topic);
      if (key !== undefined) this.#bytes += index.setLatest(key, entry);
      this.#bytes += index.add(entry);
    }
    for (const index of this.#matchersOf(entry)) this.#addOnce(index, entry);
  }

  drop(entry: Entry): void {
    for (const topic of entry.topics) {
      const index = this.#byTopic.get(topic);
      if (index === undefined) continue;
      this.#bytes -= index.drop(entry);
      this.#forgetIfUnused(topic, index);
    }
    for (const index of this.#matchersOf(entry)) this.#bytes -= index.drop(entry);
  }

  /** The log has lost its entries, and everything up to `lost` with them. */
  clear(lost: number): void {
    this.#bytes = 0;
    this.#lostTopics.clear(lost);
    for (const [topic, index] of this.#byTopic) {
      index.clear(lost);
      this.#forgetIfUnused(topic, index);
    }
    for (const index of this.#byPattern.values()) index.clear(lost);
  }

  /** Events up to `offset`, of nobody knows which topics, are gone. */
  lose(offset: number): void {
    this.#lostTopics.lose(offset);
    for (const index of [...this.#byTopic.values(), ...this.#byPattern.values()]) {
      index.lost = Math.max(index.lost, offset);
    }
  }

  /** Every reader is told to look. */
  announceAll(): void {
    for (const index of this.#byTopic.values()) index.observer?.next();
    for (const index of this.#byPattern.values()) index.observer?.next();
  }

  ofTopic(topic: string): TopicIndex {
    return this.#open(topic);
  }

  /** Made once for each distinct matcher, not for each reader, out of what its topics have. */
  ofRule({ pattern }: TopicRule): TopicIndex {
    this.#idlePatterns.delete(pattern);
    const known = this.#byPattern.get(pattern);
    if (known !== undefined) return known;
    const index = new TopicIndex([pattern], this.#lostTopics.lastOf(pattern));
    const selected = this.#byTopic.selectedBy(pattern);
    for (const { lost } of selected) index.lost = Math.max(index.lost, lost);
    for (const entry of entriesOf(selected)) this.#addOnce(index, entry);
    this.#byPattern.set(pattern, index);
    this.#patterns.set(pattern, index);
    return index;
  }

  /** A reader has let go of a topic. */
  release(topic: string): void {
    const index = this.#byTopic.get(topic);
    if (index !== undefined) this.#forgetIfUnused(topic, index);
  }

  /** A reader has let go of a matcher. Few are kept without one: each takes in what its topics get. */
  releaseRule({ pattern }: TopicRule): void {
    const index = this.#byPattern.get(pattern);
    if (index === undefined || index.observer !== undefined) return;
    this.#idlePatterns.add(pattern);
    if (this.#idlePatterns.size <= IDLE_MATCHERS) return;
    const [oldest = pattern] = this.#idlePatterns;
    this.#idlePatterns.delete(oldest);
    this.#forgetMatcher(oldest);
  }

  /** The index of a topic that has an event in the log or a reader. */
  find(topic: string): TopicIndex | undefined {
    return this.#byTopic.get(topic);
  }

  /** The indexes of all topics, matchers aside. */
  all(): Iterable<TopicIndex> {
    return this.#byTopic.values();
  }

  #open(topic: string): TopicIndex {
    let index = this.#byTopic.get(topic);
    if (index === undefined) {
      const name = ownCopy(topic);
      index = new TopicIndex(Object.freeze([name]), this.#lostTopics.claim(name));
      this.#byTopic.set(name, index);
    }
    return index;
  }

  #forgetIfUnused(topic: string, index: TopicIndex): void {
    if (index.entries.length > 0 || index.observer !== undefined) return;
    this.#byTopic.delete(topic);
    this.#lostTopics.remember(topic, index.lost);
  }

  #forgetMatcher(pattern: string): void {
    const index = this.#byPattern.get(pattern);
    if (index === undefined) return;
    this.#bytes -= index.bytes;
    this.#byPattern.delete(pattern);
    this.#patterns.delete(pattern);
  }

  #matchersOf({ topics }: Entry): readonly TopicIndex[] {
    if (this.#byPattern.size === 0) return [];
    return topics.flatMap((topic) => (isInternal(topic) ? [] : this.#patterns.selecting(topic)));
  }

  /** An event of several topics that a matcher selects is one event. */
  #addOnce(index: TopicIndex, entry: Entry): void {
    if (index.entries.newest !== entry) this.#bytes += index.add(entry);
  }
}

/** The entries of several indexes, in their order. */
function entriesOf(indexes: readonly TopicIndex[]): readonly Entry[] {
  const entries = indexes.flatMap((index) => [...index.entries]);
  return indexes.length < 2 ? entries : entries.sort((one, other) => one.offset - other.offset);
}
