import { SseError } from '../errors.js';
import { type History, LogSink } from './log-sink.js';
import { type Cursor, formatCursor } from './cursor.js';
import { Entry, type EntryContext, type EventRecord } from './entry.js';
import { EntryQueue } from './entry-queue.js';
import { FrameSlab } from './frame-slab.js';
import { RecentData } from './recent-data.js';
import type { TopicIndex } from './topic-index.js';
import { type TopicRule, Topics } from './topics.js';
import type { TurnScheduler } from './turn-scheduler.js';

/** Events that are known to be missing from the middle of the log: those after `after`, up to `upTo`. */
export interface Hole {
  readonly after: number;
  upTo: number;
}

/**
 * The ordered, bounded tail of events that an instance holds. It trims at the end of a round of readers and
 * at no other time, so that a burst within one turn, however long, reaches every reader that keeps up.
 */
export class Log extends LogSink {
  #epoch = '';
  #head = 0;
  #lost = 0;
  /** When the last event was published that the log no longer holds; Infinity if nobody knows. */
  #lostAt = Infinity;
  #bytes = 0;
  /** The head when the round of readers began: what came later has not had its turn. */
  #announced = 0;
  #holes: Hole[] = [];
  #breaks = 0;
  #ageTimer: NodeJS.Timeout | undefined;
  readonly #entries = new EntryQueue();
  readonly #topics = new Topics();
  readonly #recent: RecentData;
  readonly #ofTail: EntryContext;
  readonly #ofArchive: EntryContext;
  readonly #history: History;
  readonly #turn: TurnScheduler;

  constructor(history: History, turn: TurnScheduler) {
    super();
    this.#history = history;
    this.#turn = turn;
    const recent = (this.#recent = new RecentData(() => turn.request()));
    this.#ofTail = { slab: new FrameSlab(), recent };
    this.#ofArchive = { slab: new FrameSlab(), recent };
    turn.onBegin(() => {
      this.#announced = this.#head;
    });
    turn.onEnd(() => {
      this.#recent.clear();
      this.#trim();
    });
  }

  override get epoch(): string {
    return this.#epoch;
  }

  override get head(): number {
    return this.#head;
  }

  /** How often it was not the next event that came: another log, or a hole. */
  get breaks(): number {
    return this.#breaks;
  }

  /** The offset of the last event that the log no longer holds; 0 if it lost none. */
  get lost(): number {
    return this.#lost;
  }

  /** Events held. */
  get length(): number {
    return this.#entries.length;
  }

  /** Bytes of memory that the held events count for, with the topics, keys and indexes that are there for them. */
  get bytes(): number {
    return this.#bytes + this.#topics.bytes;
  }

  /** Topics and matchers that the log keeps an index of. */
  get topicCount(): number {
    return this.#topics.size;
  }

  /** The indexes of the topics that have an event here, or a reader. */
  get topicIndexes(): Iterable<TopicIndex> {
    return this.#topics.all();
  }

  cursorAt(offset: number): Cursor {
    return formatCursor(this.#epoch, offset);
  }

  override reset(epoch: string, offset: number): void {
    this.#epoch = epoch;
    this.#head = this.#lost = this.#announced = offset;
    this.#lostAt = Infinity;
    this.#bytes = 0;
    this.#holes = [];
    this.#breaks++;
    this.#entries.clear();
    this.#topics.clear(offset);
    this.#topics.announceAll();
  }

  override append(offset: number, record: EventRecord): void {
    if (offset !== this.#head + 1) {
      throw new SseError(
        'BACKPLANE_BROKEN',
        `The backplane appended offset ${offset} after ${this.#head}; it has to call lose() for what is missing`,
      );
    }
    const own = this.#topics.adopt(record);
    const entry = new Entry(this.#epoch, offset, own, this.#ofTail);
    entry.encode();
    this.#head = offset;
    this.#bytes += entry.cost;
    this.#entries.push(entry);
    this.#topics.add(entry);
    this.#turn.request();
  }

  override lose(offset: number): void {
    if (offset <= this.#head) return;
    const last = this.#holes.at(-1);
    if (last?.upTo === this.#head) last.upTo = offset;
    else this.#holes.push({ after: this.#head, upTo: offset });
    this.#head = offset;
    this.#breaks++;
    this.#topics.announceAll();
    this.#turn.request();
  }

  /** What the log holds of the events after an offset. */
  *entriesAfter(offset: number): Iterable<Entry> {
    for (let position = this.#entries.seek(offset); ; position++) {
      const entry = this.#entries.at(position);
      if (entry === undefined) return;
      yield entry;
    }
  }

  /**
   * The offset of the last event that was published before a time, in milliseconds since the Unix epoch; undefined if
   * that is longer ago than the log can say.
   */
  offsetBefore(time: number): number | undefined {
    const last = this.#entries.at(this.#entries.seekTime(time) - 1);
    return last?.offset ?? (this.#lostAt < time ? this.#lost : undefined);
  }

  /** Whether the tail does not hold what was at an offset. */
  hasLost(offset: number): boolean {
    if (offset <= this.#lost) return true;
    return this.#holes.some(({ after, upTo }) => offset > after && offset <= upTo);
  }

  /** The first hole that a reader at `offset` has yet to cross. */
  holeAfter(offset: number): Readonly<Hole> | undefined {
    return this.#holes.length === 0 ? undefined : this.#holes.find(({ upTo }) => upTo > offset);
  }

  /** The end of the last hole; 0 if there is none. */
  get lastHole(): number {
    return this.#holes.at(-1)?.upTo ?? 0;
  }

  /** An event of this log that the tail no longer holds, as an entry, which is encoded when somebody needs that. */
  archived(offset: number, record: EventRecord): Entry {
    return new Entry(this.#epoch, offset, record, this.#ofArchive);
  }

  indexOf(topic: string): TopicIndex {
    return this.#topics.ofTopic(topic);
  }

  indexOfRule(rule: TopicRule): TopicIndex {
    return this.#topics.ofRule(rule);
  }

  /** To be called by a reader that no longer reads a topic's index. */
  release(topic: string): void {
    this.#topics.release(topic);
  }

  /** To be called by a reader that no longer reads a matcher's index. */
  releaseRule(rule: TopicRule): void {
    this.#topics.releaseRule(rule);
  }

  /** The last event of a key within its topic. */
  latest(topic: string, key: string): Entry | undefined {
    return this.#topics.find(topic)?.latest(key);
  }

  close(): void {
    clearTimeout(this.#ageTimer);
  }

  #trim(): void {
    const { maxEvents, maxBytes, maxAge } = this.#history;
    const oldestAllowed = maxAge === false ? -Infinity : performance.now() - maxAge;
    for (;;) {
      const { oldest } = this.#entries;
      if (oldest === undefined) break;
      const isHeld =
        this.#entries.length <= maxEvents &&
        this.bytes <= maxBytes &&
        oldest.appendedAt > oldestAllowed;
      if (isHeld) break;
      if (oldest.offset > this.#announced) {
        this.#turn.request();
        break;
      }
      this.#entries.shift();
      this.#bytes -= oldest.cost;
      this.#lost = oldest.offset;
      this.#lostAt = oldest.publishedAt;
      this.#topics.drop(oldest);
    }
    this.#forgetHoles();
    this.#trimAgain(maxAge);
  }

  /** What a hole swallowed may have been of any topic. */
  #forgetHoles(): void {
    for (;;) {
      const [hole] = this.#holes;
      if (hole === undefined || hole.upTo > this.#lost) return;
      this.#holes.shift();
      this.#topics.lose(hole.upTo);
    }
  }

  #trimAgain(maxAge: number | false): void {
    const { oldest } = this.#entries;
    if (maxAge === false || oldest === undefined || this.#ageTimer !== undefined) return;
    const wait = Math.max(oldest.appendedAt + maxAge - performance.now(), maxAge / 10, 1);
    this.#ageTimer = setTimeout(
      () => {
        this.#ageTimer = undefined;
        // Readers that a round has yet to run must find what they were told of.
        this.#turn.request();
      },
      Math.min(wait, 2 ** 31 - 1),
    ).unref();
  }
}
