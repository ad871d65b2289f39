import type { Entry } from '../log/entry.js';
import { isInternal } from '../log/internal-topics.js';
import type { Log } from '../log/log.js';
import type { PageReader } from './archive-pages.js';
import { type Lookup, nearer, NOTHING } from './lookup.js';
import type { ReaderStream } from './reader-stream.js';

const NONE: readonly ReaderStream[] = [];

/** The streams of one reader, and what there is for any of them. */
export class ReaderStreams {
  /** Copied when it changes: most readers have one stream, and grow no array for it. */
  all: readonly ReaderStream[] = NONE;
  /** How many have joined so far. */
  joined = 0;
  /** Whether guests are welcome: there was no stream whose events are known to go to the client. */
  isHost = true;
  /** Whether there was one, or a guest's events have come out where the client's messages do. */
  isProven = false;

  /** Those that have joined late, of which the archive was asked whether they have ended. */
  unsure: readonly ReaderStream[] = NONE;

  get isEmpty(): boolean {
    return this.all.length === 0;
  }

  /** Topics, and the patterns of matchers; not what this package itself has to say. */
  get names(): string[] {
    const names = new Set(this.all.flatMap(({ topics }) => topics.names));
    return [...names].filter((name) => !isInternal(name));
  }

  add(stream: ReaderStream): void {
    this.isHost &&= stream.isGuest;
    this.isProven ||= !stream.isGuest;
    stream.joinedAs = ++this.joined;
    this.all = [...this.all, stream];
  }

  /** False if it has left before. */
  remove(stream: ReaderStream): boolean {
    if (!this.all.includes(stream)) return false;
    this.all = this.all.filter((other) => other !== stream);
    stream.leftAs = this.joined;
    return true;
  }

  /** Whether the tail lost events after `offset` that are for one of them, and that is not settled. */
  haveLost(offset: number): boolean {
    for (const { topics, after } of this.all) {
      if (topics.hasLostAnyAfter(Math.max(offset, after))) return true;
    }
    return false;
  }

  /** Whether the archive has all that there is for them. */
  get areKept(): boolean {
    return this.all.every(({ topics }) => topics.keptWhole !== undefined);
  }

  /** Whether the archive has something for one of them. */
  get haveKept(): boolean {
    return this.all.some(({ topics }) => topics.isKept);
  }

  /**
   * What there is between `offset` and the tail, the nearest first.
   *
   * @param upTo the end of a hole in the tail that is to be crossed
   */
  lookBack(offset: number, reader: PageReader, upTo = 0): Lookup {
    let found: Lookup = NOTHING;
    for (const { topics, after, settledUpTo } of this.all) {
      const next = topics.lookBackAll(Math.max(offset, after), { reader, settledUpTo, upTo });
      if (next.kind === 'reading') return next;
      found = nearer(found, next);
    }
    return found;
  }

  /** The first entry after `offset` that one of them selects. */
  nextAfter(offset: number): Entry | undefined {
    let next: Entry | undefined;
    for (const { topics } of this.all) {
      const entry = topics.after(offset);
      if (entry !== undefined && (next === undefined || entry.offset < next.offset)) next = entry;
    }
    return next;
  }

  /** Whether who has read up to `offset` has read all that there is, and has missed nothing. */
  haveNothingAfter(offset: number, log: Log): boolean {
    if (this.areOwed || this.haveLost(offset)) return false;
    if (log.holeAfter(offset) !== undefined) return false;
    return this.nextAfter(offset) === undefined;
  }

  /** The offset before the oldest event that there may be for them, of this log. */
  oldestIn(log: Log): number {
    let oldest = log.lost;
    for (const stream of this.all) oldest = Math.min(oldest, stream.oldestIn(log));
    return oldest;
  }

  /** Whether something after `offset` is not for one of them, whatever it selects. */
  areBounded(offset: number): boolean {
    return this.all.some(({ after }) => after > offset);
  }

  /** Whether one of them waits for its snapshot. */
  get areOwed(): boolean {
    for (const { isOwed } of this.all) if (isOwed) return true;
    return false;
  }

  /** Whether those that are left have come to their own end. */
  get haveCompleted(): boolean {
    return this.all.every(({ hasCompleted }) => hasCompleted);
  }

  /** Whether operators hold something, or have part of a snapshot yet to be given. */
  get arePending(): boolean {
    return this.all.some(({ held, snapshot }) => snapshot !== undefined || held.value !== Infinity);
  }

  /** The first one whose snapshot is there, to be handed out. */
  get answered(): ReaderStream | undefined {
    return this.all.find(({ snapshot }) => snapshot !== undefined);
  }

  /** Whether it is known which of them an entry is a part of, for those that are a part of their topic. */
  areKnownUpTo(entry: Entry, reader: Pick<PageReader, 'schedule'>): boolean {
    for (const { plan } of this.all) {
      if (plan.span?.isKnownUpTo(entry, () => reader.schedule()) === false) return false;
    }
    return true;
  }

  /** Those that an entry is the last one of, as their `until` says. */
  endingWith(entry: Entry): readonly ReaderStream[] {
    return this.all.filter((stream) => stream.selects(entry) && stream.isEndedBy(entry));
  }

  /**
   * Those that take an entry, the first one after `offset`.
   *
   * @param catchUpTo see {@link ReaderStream.wants}
   */
  takersOf(entry: Entry, offset: number, catchUpTo: number): readonly ReaderStream[] {
    const [only] = this.all;
    const isTaker = (stream: ReaderStream) =>
      (stream.topics.after(offset) === entry || stream.topics.hasArchived(entry)) &&
      stream.wants(entry, catchUpTo);
    // Nothing is allocated for an event of a connection that has one stream.
    if (this.all.length === 1 && only !== undefined) return isTaker(only) ? this.all : NONE;
    return this.all.filter(isTaker);
  }
}
