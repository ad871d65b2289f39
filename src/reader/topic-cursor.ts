import type { Entry } from '../log/entry.js';
import type { Log } from '../log/log.js';
import type { TopicIndex } from '../log/topic-index.js';
import type { Work } from '../log/turn-scheduler.js';
import { TopicMatcher } from '../log/matching.js';
import type { ArchiveTopics } from '../backplane/archive.js';
import type { PageReader } from './archive-pages.js';
import type { StartQuestion } from './archived-start.js';
import { IndexCursor, type Kept, type LookBack, type ReadAhead } from './index-cursor.js';
import { type Lookup, nearer, NOTHING } from './lookup.js';
import type { ReadPosition } from './read-position.js';
import { readThrough } from './read-through.js';
import type { ReaderContext } from './reader-context.js';
import type { Outlet } from './sink.js';
import type { StreamStart } from './stream-options.js';

/** The topics that a stream selects, as positions in their indexes: that of the first, and those of the others. */
export class TopicCursor extends IndexCursor implements Work, ReadPosition {
  // What each event touches comes first: of a thousand in turn, none is in the processor's cache.
  /** While it reads alone: where that goes to, and how often the log had broken off when it began to. */
  #outlet: Outlet | undefined;
  #breaks = 0;
  offset = -1;
  told = -1;
  readonly #context: ReaderContext;
  readonly #others: readonly IndexCursor[] | undefined;
  readonly #reader: Work;
  readonly #topics: readonly string[] | TopicMatcher;
  isBehind = false;

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
    for (const { index } of this.#cursors) context.subjects.join(index, this);
  }

  /** What it selects goes out as it is, past the reader, for as long as nothing is in the way. */
  run(): void {
    const outlet = this.#outlet;
    const { log, frames } = this.#context;
    const mayRead = outlet?.isClear() === true && this.lost <= this.offset;
    if (!mayRead || log.breaks !== this.#breaks) {
      this.#outlet = undefined;
      this.#reader.run();
    } else {
      const reached = readThrough(this, outlet, frames, this.offset);
      if (reached > this.offset) this.offset = this.told = reached;
      if (this.#outlet === undefined) this.#reader.run();
      else if (!outlet.isClear()) this.#fallBehind();
    }
  }

  /** What did not fit may be gone when there is room: that is for the reader to see. */
  #fallBehind(): void {
    this.isBehind = true;
    this.#outlet = undefined;
  }

  /** What comes next is for its reader to see. */
  retreat(): void {
    this.#outlet = undefined;
  }

  /**
   * Reads on from its position without its reader, which has read everything up to there.
   *
   * @param outlet undefined if it is the reader that has to read on
   */
  readAlone(outlet: Outlet | undefined): void {
    this.#breaks = this.#context.log.breaks;
    this.#outlet = outlet;
  }

  get names(): readonly string[] {
    return this.#topics instanceof TopicMatcher ? [this.#topics.pattern] : this.#topics;
  }

  /** The topics that it names; none for a matcher, which may always select another one. */
  get named(): readonly string[] {
    return this.#topics instanceof TopicMatcher ? [] : this.#topics;
  }

  /** All that it selects, as one text: that of a pattern is not that of a topic which is called so. */
  get selection(): string {
    return this.#topics instanceof TopicMatcher
      ? `matching ${this.#topics.pattern}`
      : JSON.stringify(this.#topics);
  }

  selectsAnyOf(topics: readonly string[]): boolean {
    return topics.some((topic) => this.#selects(topic));
  }

  /** Whether the history of one of the topics is kept beyond the tail. */
  get isKept(): boolean {
    const { history } = this.#context;
    if (history === undefined) return false;
    return this.#topics instanceof TopicMatcher
      ? history.has(this.#topics)
      : this.#topics.some((topic) => history.has(topic));
  }

  /** Whether there may be something to {@link lookBackAll} for, after an offset. */
  hasLostAnyAfter(offset: number): boolean {
    if (this.lost <= offset) return false;
    return this.#cursors.some((cursor, index) =>
      cursor.hasLostAfter(offset, () => this.#keptAt(index) !== undefined),
    );
  }

  /** Gives what follows an offset, of one topic, as long as nothing can be missing before it. */
  readAhead(offset: number, ahead: ReadAhead): void {
    if (this.#others !== undefined) return;
    const after = this.readPages(offset, this.#keptAt(0), this.#context, ahead);
    if (after === undefined) return;
    const last = Math.min(ahead.upTo, this.#context.log.holeAfter(after)?.after ?? Infinity);
    const { entries } = this.index;
    for (let at = entries.seek(after); ; at++) {
      const entry = entries.at(at);
      if (entry === undefined || entry.offset > last || !ahead.take(entry)) return;
    }
  }

  /** What there is after an offset that the tail no longer reaches back to. */
  lookBackAll(offset: number, look: LookBack): Lookup {
    let found: Lookup = NOTHING;
    for (const [index, cursor] of this.#cursors.entries()) {
      const next = cursor.lookBack(offset, this.#keptAt(index), this.#context, look);
      if (next.kind === 'reading') return next;
      found = nearer(found, next);
    }
    return found;
  }

  /**
   * The offset after what is gone behind another one, as far as nothing that is there lies before it. Undefined while
   * the archive is asked.
   */
  oldestAfter(offset: number, reader: PageReader): number | undefined {
    let lost = offset;
    let emptyUpTo = Infinity;
    for (const [index, cursor] of this.#cursors.entries()) {
      const kept = this.#keptAt(index);
      const beginning = cursor.beginningAfter(offset, kept, this.#context.history, reader);
      if (beginning === undefined) return undefined;
      lost = Math.max(lost, beginning.lost);
      emptyUpTo = Math.min(emptyUpTo, beginning.emptyUpTo);
    }
    return Math.min(lost, emptyUpTo);
  }

  /** The client is told of what {@link lookBackAll} has found to be gone. */
  tellAllLost(): void {
    for (const cursor of this.#cursors) cursor.tellLost();
  }

  /** See {@link settleLost}. */
  settleAllLost(offset: number): void {
    for (const [index, cursor] of this.#cursors.entries())
      cursor.settleLost(offset, () => this.#keptAt(index) !== undefined);
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

  override forgetLost(): void {
    super.forgetLost();
    for (const other of this.#others ?? []) other.forgetLost();
  }

  override latestUpTo(offset: number): Entry | undefined {
    const found = this.#cursors
      .flatMap(
        (cursor) => (cursor === this ? super.latestUpTo(offset) : cursor.latestUpTo(offset)) ?? [],
      )
      .reduce<Entry | undefined>(
        (latest, entry) => (latest === undefined || entry.offset > latest.offset ? entry : latest),
        undefined,
      );
    // A hole may have swallowed a later one.
    const hole = this.#context.log.holeAfter(found?.offset ?? 0);
    return hole !== undefined && hole.after < offset ? undefined : found;
  }

  /** What the archive may be asked about, if it has all that there is of each topic. */
  get keptWhole(): ArchiveTopics['topics'] | undefined {
    const { history } = this.#context;
    if (history === undefined) return undefined;
    const each = this.#topics instanceof TopicMatcher ? [this.#topics] : this.#topics;
    return each.every((topic) => history.hasAllOf(topic)) ? this.#topics : undefined;
  }

  /** What the archive may be asked about. */
  get kept(): ArchiveTopics['topics'] | undefined {
    const { history } = this.#context;
    if (history === undefined || !this.isKept) return undefined;
    if (this.#topics instanceof TopicMatcher) return this.#topics;
    return this.#topics.filter((topic) => history.has(topic));
  }

  /**
   * The offset after which the last events, or those since a time, begin; or what the archive has to be asked for, if
   * some of them may be older than the tail.
   */
  findStart(start: StreamStart): number | StartQuestion {
    const { log } = this.#context;
    if (start.last !== undefined) return this.#lastOf(start.last, log);
    const offset = log.offsetBefore(start.since);
    // What a hole swallowed may be older, too.
    const isSure = offset !== undefined && log.holeAfter(offset)?.after !== offset;
    return isSure || this.keptWhole === undefined
      ? (offset ?? { start })
      : { start, atLeast: offset };
  }

  #lastOf(count: number, log: Log): number | StartQuestion {
    if (count === 0) return log.head;
    // What the archive has all of, it has of a hole in the tail as well.
    const hole = this.keptWhole === undefined ? 0 : log.lastHole;
    const missingUpTo = Math.max(log.lost, hole);
    const found = this.#cursors.flatMap(({ index }) => index.entries.lastOffsets(count));
    const offsets = [...new Set(found)].sort((a, b) => b - a);
    const behindHole = offsets.filter((offset) => offset > hole);
    const first = behindHole[count - 1];
    if (first !== undefined) return first - 1;
    if (Math.max(this.lost, hole) === 0) return 0;
    // Beside these, for rules may be for some of the topics only.
    const start = { last: count - behindHole.length, upTo: missingUpTo };
    return hole === 0 ? { start } : { start, beforeHole: offsets.slice(behindHole.length) };
  }

  /** Whether an entry is of these topics and comes from beyond the tail. */
  hasArchived(entry: Entry): boolean {
    return this.#context.log.hasLost(entry.offset) && this.selectsAnyOf(entry.topics);
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
    const { subjects } = this.#context;
    for (const { index } of this.#cursors) subjects.leave(index, this);
    if (this.#topics instanceof TopicMatcher) this.#context.log.releaseRule(this.#topics);
    else for (const topic of this.#topics) this.#context.log.release(topic);
  }

  #keptAt(index: number): Kept | undefined {
    const { history } = this.#context;
    const topic = this.#topics instanceof TopicMatcher ? this.#topics : this.#topics[index];
    if (topic === undefined || history?.has(topic) !== true) return undefined;
    return {
      topics: typeof topic === 'string' ? [topic] : topic,
      isAll: history.hasAllOf(topic),
    };
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
