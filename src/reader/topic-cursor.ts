import type { Entry } from '../log/entry.js';
import type { EntryQueue } from '../log/entry-queue.js';
import type { TopicIndex } from '../log/topic-index.js';
import type { Work } from '../log/turn-scheduler.js';
import { TopicMatcher } from '../log/matching.js';
import { readThrough } from './read-through.js';
import type { ReaderContext } from './reader-context.js';
import type { Outlet } from './sink.js';

/** A place in one index. */
class IndexCursor {
  readonly #entries: EntryQueue;
  #position = 0;

  constructor(readonly index: TopicIndex) {
    this.#entries = index.entries;
  }

  seek(offset: number): void {
    this.#position = this.#entries.seek(offset);
  }

  /** The first entry after `offset`; offsets asked for never shrink, but for {@link seek}. */
  after(offset: number): Entry | undefined {
    const entries = this.#entries;
    // What was dropped before it was read is a gap, or was not for this stream.
    if (this.#position < entries.start) this.#position = entries.start;
    let entry = entries.at(this.#position);
    while (entry !== undefined && entry.offset <= offset) entry = entries.at(++this.#position);
    return entry;
  }
}

/** The topics that a stream selects, as places in their indexes: that of the first, and those of the others. */
export class TopicCursor extends IndexCursor implements Work {
  // What each event touches comes first: of a thousand in turn, none is in the processor's cache.
  /** While it reads alone: where that goes to, how far it is, and how often the log had broken off then. */
  #outlet: Outlet | undefined;
  #reached = -1;
  #breaks = 0;
  readonly #context: ReaderContext;
  readonly #others: readonly IndexCursor[] | undefined;
  readonly #reader: Work;
  readonly #topics: readonly string[] | TopicMatcher;

  /** @param reader run when there may be something to read */
  constructor(context: ReaderContext, topics: readonly string[] | TopicMatcher, reader: Work) {
    const { log } = context;
    const [first, ...others] =
      topics instanceof TopicMatcher
        ? ([log.indexOfRule(topics)] as const)
        : (topics.map((topic) => log.indexOf(topic)) as [TopicIndex, ...TopicIndex[]]);
    super(first);
    this.#context = context;
    this.#reader = reader;
    this.#topics = topics;
    this.#others =
      others.length === 0 ? undefined : others.map((index: TopicIndex) => new IndexCursor(index));
    for (const { index } of this.#cursors) index.audience.join(this);
  }

  /** What it selects goes out as it is, past the reader, for as long as nothing is in the way. */
  run(): void {
    const outlet = this.#outlet;
    const { log, frames } = this.#context;
    if (outlet?.isClear() !== true || log.breaks !== this.#breaks) {
      this.#outlet = undefined;
      this.#reader.run();
    } else {
      this.#reached = readThrough(this, outlet, frames, this.#reached);
      // What did not fit may be gone when there is room: that is for the reader to see.
      if (!outlet.isClear()) this.#outlet = undefined;
    }
  }

  /** How far it has read alone. */
  get reached(): number {
    return this.#reached;
  }

  /**
   * Reads on without its reader, which has read everything up to an offset.
   *
   * @param outlet undefined if it is the reader that has to read on
   */
  readAlone(after: number, outlet: Outlet | undefined): void {
    this.#reached = after;
    this.#breaks = this.#context.log.breaks;
    this.#outlet = outlet;
  }

  get names(): readonly string[] {
    return this.#topics instanceof TopicMatcher ? [this.#topics.pattern] : this.#topics;
  }

  /** The last offset that one of the topics lost. */
  get lost(): number {
    let { lost } = this.index;
    for (const { index } of this.#others ?? []) if (index.lost > lost) lost = index.lost;
    return lost;
  }

  override seek(offset: number): void {
    super.seek(offset);
    for (const other of this.#others ?? []) other.seek(offset);
  }

  override after(offset: number): Entry | undefined {
    let first = super.after(offset);
    if (this.#others === undefined) return first;
    for (const other of this.#others) {
      const entry = other.after(offset);
      if (entry !== undefined && (first === undefined || entry.offset < first.offset))
        first = entry;
    }
    return first;
  }

  /** Whether a later entry of its key that `admits` lets through replaces this one, in each topic selected. */
  isReplaced(entry: Entry, admits: (entry: Entry) => boolean): boolean {
    const { key } = entry;
    if (key === undefined) return false;
    return entry.topics.every((topic) => {
      if (!this.#selects(topic)) return true;
      const latest = this.#context.log.latest(topic, key);
      return latest !== undefined && latest.offset > entry.offset && admits(latest);
    });
  }

  /** What is left of a round may still come by here: there is nothing to read for it. */
  release(): void {
    this.#outlet = undefined;
    for (const { index } of this.#cursors) index.audience.leave(this);
    if (this.#topics instanceof TopicMatcher) this.#context.log.releaseRule(this.#topics);
    else for (const topic of this.#topics) this.#context.log.release(topic);
  }

  get #cursors(): readonly IndexCursor[] {
    return [this, ...(this.#others ?? [])];
  }

  #selects(topic: string): boolean {
    return this.#topics instanceof TopicMatcher
      ? this.#topics.matches(topic)
      : this.#topics.includes(topic);
  }
}
