import type { EventRecord } from '../log/entry.js';
import type { Retention, RetentionRules } from '../log/retention.js';
import { TopicMap } from '../log/topic-map.js';
import type { TopicRule } from '../log/topics.js';
import {
  Archive,
  type ArchivedEvent,
  type ArchivePage,
  type ArchiveQuery,
  type ArchiveSize,
  type ArchiveStart,
  type ArchiveTopics,
} from './archive.js';
import { ForgottenTopics, Losses } from './forgotten-topics.js';
import { KeptTopic } from './kept-topic.js';

/** What an archived event costs beside its text, in bytes: objects and slots, roughly. */
const OVERHEAD = 300;
/** The same for a topic, beside its name. */
const TOPIC_OVERHEAD = 700;
/** Places of dropped events, which keep them in memory, are given back when there are so many of all to those that are kept. */
const SLACK = 1.25;
/** Topics that one sweep looks at, so that it never takes long. */
const SWEEP = 2_000;
/** Topics that are read one by one; of more, the events of all topics are looked through. */
const FEW_TOPICS = 64;
/** Places that one question looks through. */
const LOOKED_THROUGH = 20_000;

interface Place {
  readonly topic: KeptTopic;
  readonly event: ArchivedEvent;
}

/** Events in their order, up to where there are no others. */
interface Found {
  readonly events: readonly ArchivedEvent[];
  readonly upTo: number;
}

/** The archive of the in-memory backplane. What goes first when it is full is the oldest event of all topics. */
export class MemoryArchive extends Archive {
  readonly #rules: RetentionRules;
  readonly #maxBytes: number;
  readonly #epoch: string;
  readonly #topics = new TopicMap<KeptTopic>();
  readonly #forgotten = new ForgottenTopics();
  /** Every event with each of its topics, in the order of the log; what a topic has dropped before is passed over. */
  #order: Place[] = [];
  #orderStart = 0;
  /** How many there are of those that are still kept. */
  #count = 0;
  #bytes = 0;
  #sweep: IterableIterator<[string, KeptTopic]> | undefined;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param maxBytes of memory, roughly
   * @param epoch of the log
   */
  constructor(rules: RetentionRules, maxBytes: number, epoch: string) {
    super();
    this.#rules = rules;
    this.#maxBytes = maxBytes;
    this.#epoch = epoch;
  }

  /** Bytes that the kept events count for. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Places in the order of the log that are held, of kept events and of others. */
  get placeCount(): number {
    return this.#order.length;
  }

  get topicCount(): number {
    return this.#topics.size;
  }

  /** Keeps an event for those of its topics that a rule is for. */
  add(offset: number, record: EventRecord, now = performance.now()): void {
    for (const name of record.topics) {
      const retention = this.#rules.of(name, record.key);
      if (retention === undefined) continue;
      const topic = this.#topics.get(name) ?? this.#open(name, retention);
      const event = { offset, record };
      if (retention.isExempt) {
        topic.keepAs(retention);
        topic.add(event, now, costOf);
        continue;
      }
      const { size } = topic;
      this.#bytes += costOf(event);
      this.#bytes -= topic.add(event, now, costOf);
      this.#count += topic.size - size;
      this.#order.push({ topic, event });
    }
    while (this.#bytes > this.#maxBytes && this.#dropOldest());
    if (this.#order.length > 1_024 + this.#count * SLACK) this.#forgetDropped();
  }

  override async read(query: ArchiveQuery): Promise<ArchivePage> {
    const { after, upTo, maxEvents, maxBytes } = query;
    if (query.epoch !== this.#epoch) return { events: [], upTo, lost: upTo, losses: upTo };
    const topics = this.#select(query.topics);
    const { lost, sum: losses } = this.#lossesOf(query.topics, topics);
    const found =
      topics.length <= FEW_TOPICS
        ? merge(topics, after, upTo, maxEvents + 1)
        : this.#lookThrough(new Set(topics), after, upTo, maxEvents + 1);
    const events: ArchivedEvent[] = [];
    let bytes = 0;
    for (const event of found.events) {
      bytes += event.record.text.length;
      if (events.length > 0 && (events.length >= maxEvents || bytes > maxBytes)) {
        return { events, upTo: events.at(-1)?.offset ?? after, lost, losses };
      }
      events.push(event);
    }
    return { events, upTo: found.upTo, lost, losses };
  }

  override async seek(selected: ArchiveTopics, start: ArchiveStart): Promise<number> {
    const topics = selected.epoch === this.#epoch ? this.#select(selected.topics) : [];
    if (start.last === undefined) {
      const { since } = start;
      let offset = 0;
      for (const topic of topics) offset = Math.max(offset, topic.beforeTime(since));
      return offset;
    }
    const count = start.last + 1;
    const offsets = topics.flatMap((topic) => topic.lastOffsets(count, start.upTo));
    const distinct = [...new Set(offsets)].sort((a, b) => b - a);
    return distinct[start.last] ?? 0;
  }

  override async latest(selected: ArchiveTopics, upTo: number): Promise<ArchivedEvent | undefined> {
    let latest: ArchivedEvent | undefined;
    if (selected.epoch !== this.#epoch) return latest;
    for (const topic of this.#select(selected.topics)) {
      const event = topic.latest(upTo);
      if (event !== undefined && event.offset > (latest?.offset ?? 0)) latest = event;
    }
    return latest;
  }

  override async size(): Promise<ArchiveSize> {
    return { events: this.#count, bytes: this.#bytes, topics: this.#topics.size };
  }

  /** One step of dropping what is too old, and of forgetting topics that have nothing. */
  sweep(now = performance.now()): void {
    this.#sweep ??= this.#topics.entries();
    for (let count = 0; count < SWEEP; count++) {
      const next = this.#sweep.next();
      if (next.done === true) {
        this.#sweep = undefined;
        if (this.#order.length > this.#count * SLACK) this.#forgetDropped();
        return;
      }
      const [, topic] = next.value;
      this.#expire(topic, now);
      const isCrowded = topic.size === 0 && this.#bytes > this.#maxBytes / 2;
      if (isCrowded || topic.isForgettable(now)) this.#forget(topic);
    }
  }

  #expire(topic: KeptTopic, now: number): void {
    const { size } = topic;
    const freed = topic.expire(now, costOf);
    if (topic.retention.isExempt) return;
    this.#bytes -= freed;
    this.#count += topic.size - size;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #open(name: string, retention: Retention): KeptTopic {
    const topic = new KeptTopic(name, retention, this.#forgotten.lossOf(name));
    this.#topics.set(name, topic);
    this.#timer ??= setInterval(() => this.sweep(), 1_000).unref();
    this.#bytes += costOfTopic(topic);
    return topic;
  }

  #forget(topic: KeptTopic): void {
    if (topic.lost > 0) this.#forgotten.remember(topic.name, topic.loss);
    this.#topics.delete(topic.name);
    this.#bytes -= costOfTopic(topic);
  }

  #select(topics: readonly string[] | TopicRule): KeptTopic[] {
    if ('matches' in topics) return this.#topics.selectedBy(topics.pattern);
    return [...new Set(topics)].flatMap((name) => this.#topics.get(name) ?? []);
  }

  #lossesOf(asked: readonly string[] | TopicRule, topics: readonly KeptTopic[]): Losses {
    const losses = new Losses();
    for (const { lost } of topics) losses.add(lost);
    if ('matches' in asked) this.#forgotten.addTo(losses, asked);
    else for (const name of asked) if (!this.#topics.has(name)) this.#forgotten.addTo(losses, name);
    return losses;
  }

  #lookThrough(topics: ReadonlySet<KeptTopic>, after: number, upTo: number, count: number): Found {
    const events: ArchivedEvent[] = [];
    const start = this.#seek(after);
    for (let index = start; index < this.#order.length; index++) {
      const place = this.#order[index];
      if (place === undefined || place.event.offset > upTo) break;
      const { topic, event } = place;
      const isNext = event.offset !== events.at(-1)?.offset;
      // An event of several topics is at several places: no page ends between them.
      if (isNext && (events.length >= count || index - start >= LOOKED_THROUGH)) {
        return { events, upTo: event.offset - 1 };
      }
      if (isNext && topics.has(topic) && topic.has(event)) events.push(event);
    }
    return { events, upTo };
  }

  /** The index of the first place after an offset. */
  #seek(offset: number): number {
    let low = this.#orderStart;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#order[middle]?.event.offset ?? Infinity) > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #dropOldest(): boolean {
    const oldest = this.#order[this.#orderStart++];
    if (oldest === undefined) return false;
    if (!oldest.topic.drop(oldest.event)) return true;
    this.#bytes -= costOf(oldest.event);
    this.#count--;
    if (oldest.topic.size === 0) this.#forget(oldest.topic);
    return true;
  }

  /** What topics dropped by bounds of their own has no place in the order any more. */
  #forgetDropped(): void {
    this.#order = this.#order
      .slice(this.#orderStart)
      .filter(({ topic, event }) => topic.has(event));
    this.#orderStart = 0;
  }
}

function costOf({ record }: ArchivedEvent): number {
  return record.text.length + (record.key?.length ?? 0) + OVERHEAD;
}

function costOfTopic({ name, retention }: KeptTopic): number {
  return retention.isExempt ? 0 : TOPIC_OVERHEAD + name.length;
}

/** The next events of a few topics, each once. */
function merge(topics: readonly KeptTopic[], after: number, upTo: number, count: number): Found {
  const found = topics.flatMap((topic) => topic.between(after, upTo, count));
  const distinct = new Map(found.map((event) => [event.offset, event]));
  return { events: [...distinct.values()].sort((a, b) => a.offset - b.offset), upTo };
}
