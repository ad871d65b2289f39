import type { EventRecord } from '../log/entry.js';
import type { RetentionRules } from '../log/retention.js';
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
import { KeptTopic } from './kept-topic.js';

/** What an archived event costs beside its text, in bytes: objects and slots, roughly. */
const OVERHEAD = 300;
/** Topics that one sweep looks at, so that it never takes long. */
const SWEEP = 2_000;

/** The archive of the in-memory backplane. What goes first when it is full is the oldest event of all topics. */
export class MemoryArchive extends Archive {
  readonly #rules: RetentionRules;
  readonly #maxBytes: number;
  readonly #topics = new Map<string, KeptTopic>();
  /** Every event with each of its topics, in the order of the log; what a topic has dropped before is passed over. */
  #order: { readonly topic: KeptTopic; readonly event: ArchivedEvent }[] = [];
  #orderStart = 0;
  /** How many there are of those that are still kept. */
  #count = 0;
  #bytes = 0;
  #sweep: IterableIterator<[string, KeptTopic]> | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param maxBytes of memory, roughly */
  constructor(rules: RetentionRules, maxBytes: number) {
    super();
    this.#rules = rules;
    this.#maxBytes = maxBytes;
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
      const retention = this.#rules.of(name);
      if (retention === undefined) continue;
      let topic = this.#topics.get(name);
      if (topic === undefined) this.#topics.set(name, (topic = new KeptTopic(name, retention)));
      this.#timer ??= setInterval(() => this.#sweepOn(), 1_000).unref();
      const event = { offset, record };
      if (retention.isExempt) {
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
    if (this.#order.length > 1_024 && this.#order.length > this.#count * 2) this.#forgetDropped();
  }

  override async read(query: ArchiveQuery): Promise<ArchivePage> {
    const { after, upTo, maxEvents, maxBytes } = query;
    const topics = this.#select(query.topics);
    const lost = Math.max(0, ...topics.map((topic) => topic.lost));
    const found = topics.flatMap((topic) => topic.between(after, upTo, maxEvents + 1));
    found.sort((a, b) => a.offset - b.offset);
    const events: ArchivedEvent[] = [];
    let bytes = 0;
    for (const event of found) {
      if (event.offset === events.at(-1)?.offset) continue;
      bytes += event.record.text.length;
      if (events.length > 0 && (events.length >= maxEvents || bytes > maxBytes)) {
        return { events, upTo: events.at(-1)?.offset ?? after, lost };
      }
      events.push(event);
    }
    return { events, upTo, lost };
  }

  override async seek(selected: ArchiveTopics, start: ArchiveStart): Promise<number> {
    const topics = this.#select(selected.topics);
    const offsets = topics.flatMap((topic) =>
      start.last === undefined ? topic.beforeTime(start.since) : topic.offsets,
    );
    if (start.last === undefined) return Math.max(0, ...offsets);
    const distinct = [...new Set(offsets)].sort((a, b) => b - a);
    return distinct[start.last] ?? 0;
  }

  override async latest(selected: ArchiveTopics, upTo: number): Promise<ArchivedEvent | undefined> {
    let latest: ArchivedEvent | undefined;
    for (const topic of this.#select(selected.topics)) {
      const event = topic.latest(upTo);
      if (event !== undefined && event.offset > (latest?.offset ?? 0)) latest = event;
    }
    return latest;
  }

  override async size(): Promise<ArchiveSize> {
    return { events: this.#count, bytes: this.#bytes, topics: this.#topics.size };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #select(topics: readonly string[] | TopicRule): KeptTopic[] {
    if ('matches' in topics) {
      return [...this.#topics.values()].filter(({ name }) => topics.matches(name));
    }
    return topics.flatMap((name) => this.#topics.get(name) ?? []);
  }

  #dropOldest(): boolean {
    const oldest = this.#order[this.#orderStart++];
    if (oldest === undefined) return false;
    if (!oldest.topic.drop(oldest.event)) return true;
    this.#bytes -= costOf(oldest.event);
    this.#count--;
    return true;
  }

  /** What topics dropped by bounds of their own has no place in the order any more. */
  #forgetDropped(): void {
    this.#order = this.#order
      .slice(this.#orderStart)
      .filter(({ topic, event }) => topic.has(event));
    this.#orderStart = 0;
  }

  #sweepOn(): void {
    this.#sweep ??= this.#topics.entries();
    const now = performance.now();
    for (let count = 0; count < SWEEP; count++) {
      const next = this.#sweep.next();
      if (next.done === true) {
        this.#sweep = undefined;
        if (this.#order.length > this.#count * 2) this.#forgetDropped();
        return;
      }
      const [name, topic] = next.value;
      const { size } = topic;
      const freed = topic.expire(now, costOf);
      if (!topic.retention.isExempt) {
        this.#bytes -= freed;
        this.#count += topic.size - size;
      }
      if (topic.isForgettable(now)) this.#topics.delete(name);
    }
  }
}

function costOf({ record }: ArchivedEvent): number {
  return record.text.length + (record.key?.length ?? 0) + OVERHEAD;
}
