import type { Entry } from '../log/entry.js';
import type { EntryQueue } from '../log/entry-queue.js';
import type { TopicIndex } from '../log/topic-index.js';
import type { TopicRule } from '../log/topics.js';
import type { PageReader } from './archive-pages.js';
import type { KeptHistory } from './kept-history.js';
import { type Lookup, NOTHING, READING } from './lookup.js';
import type { ReaderContext } from './reader-context.js';

/** A position in one index. */
export class IndexCursor {
  readonly #entries: EntryQueue;
  #position = 0;
  /** The last offset whose loss the client has been told of, or need not be; -1 before anybody has looked. */
  #toldLost = -1;
  /** What the archive had lost by then, counted: a pattern's topics may lose an event before that offset later. */
  #toldLosses = 0;
  /** What {@link lookBack} has found to be gone, of which nobody has been told. */
  #foundLost = -1;
  #foundLosses = 0;

  constructor(readonly index: TopicIndex) {
    this.#entries = index.entries;
  }

  /** Whether the tail lost something after an offset that the archive may have, or that nobody was told of. */
  hasLostAfter(offset: number, isKept: () => boolean): boolean {
    const { lost } = this.index;
    return lost > offset && (lost > this.#toldLost || isKept());
  }

  /**
   * What is gone is told to the client by {@link tellLost}, and not before: another topic may have to be read first.
   *
   * @param kept the topic or the rule, if its history is kept beyond the tail
   */
  lookBack(
    offset: number,
    kept: Kept | undefined,
    context: ReaderContext,
    { reader, settledUpTo, upTo }: LookBack,
  ): Lookup {
    const lost = Math.max(this.index.lost, upTo);
    this.#foundLost = -1;
    if (lost <= offset) return NOTHING;
    if (kept === undefined || context.history === undefined) {
      return this.#isSettled(lost, 0, settledUpTo)
        ? NOTHING
        : { kind: 'lost', upTo: Math.max(context.log.lost, upTo) };
    }
    for (let after = offset; ;) {
      const page = context.history.pages.find(kept.topics, after, lost, reader);
      if (page === undefined) return READING;
      // What the archive lost after that is in the tail, unless the tail loses it too.
      const gone = kept.isAll ? Math.min(page.lost, lost) : lost;
      const isGap = gone > offset && !this.#isSettled(gone, page.losses, settledUpTo);
      const entry = page.entries[indexAfter(offset, page.entries)];
      // Other topics of a rule may still have what is older, also beyond this page.
      const known = entry === undefined ? page.upTo : entry.offset - 1;
      if (isGap) return { kind: 'lost', upTo: Math.min(gone, known) };
      // A page that was read for somebody else may go beyond what is missing here: of that the tail gives its own.
      if (entry !== undefined && entry.offset <= lost) {
        this.#beginWith(gone, page.losses);
        return { kind: 'entry', entry };
      }
      if (page.upTo >= lost) {
        this.#beginWith(gone, page.losses);
        return NOTHING;
      }
      after = page.upTo;
    }
  }

  /** What is gone after an offset, and up to where nothing is there. Undefined while the archive is asked. */
  beginningAfter(
    offset: number,
    kept: Kept | undefined,
    history: KeptHistory | undefined,
    reader: PageReader,
  ): Beginning | undefined {
    const { lost } = this.index;
    const next = this.#entries.at(this.#entries.seek(offset))?.offset ?? Infinity;
    if (lost <= offset) return { lost: offset, emptyUpTo: next - 1 };
    if (kept === undefined || history === undefined) return { lost, emptyUpTo: next - 1 };
    const page = history.pages.find(kept.topics, offset, lost, reader);
    if (page === undefined) return undefined;
    const entry = page.entries[indexAfter(offset, page.entries)];
    return {
      lost: kept.isAll ? Math.min(page.lost, lost) : lost,
      emptyUpTo: entry === undefined ? page.upTo : entry.offset - 1,
    };
  }

  /**
   * Gives what follows an offset in the pages of the archive that are there, up to where the tail has what comes next.
   *
   * @returns where that is; undefined if something is missing before, or no more is wanted
   */
  protected readPages(
    offset: number,
    kept: Kept | undefined,
    { history }: ReaderContext,
    { upTo, reader, take }: ReadAhead,
  ): number | undefined {
    const { lost } = this.index;
    let after = offset;
    while (after < lost) {
      if (kept?.isAll !== true) return undefined;
      const page = history?.pages.find(kept.topics, after, lost, reader);
      // What is gone has to be told.
      if (page === undefined || page.lost > after) return undefined;
      const { entries } = page;
      for (let index = indexAfter(after, entries); index < entries.length; index++) {
        const entry = entries[index];
        if (entry === undefined || entry.offset > lost) break;
        if (entry.offset > upTo || !take(entry)) return undefined;
      }
      after = Math.min(page.upTo, lost);
    }
    return after;
  }

  /** The client is told of what was found to be gone. */
  tellLost(): void {
    this.#toldLost = Math.max(this.#toldLost, this.#foundLost);
    this.#toldLosses = Math.max(this.#toldLosses, this.#foundLosses);
  }

  /** Nothing is settled for a client that comes back. */
  forgetLost(): void {
    this.#toldLost = this.#foundLost = -1;
    this.#toldLosses = this.#foundLosses = 0;
  }

  /** One that asks for what there is begins at an offset: what is known to be gone by now was never there for it. */
  settleLost(offset: number, isKept: () => boolean): void {
    const { lost } = this.index;
    this.#foundLost = -1;
    this.#toldLost = lost <= offset || !isKept() ? lost : -1;
  }

  /** The last entry at or before an offset that the tail holds. */
  latestUpTo(offset: number): Entry | undefined {
    const entry = this.#entries.at(this.#entries.seek(offset) - 1);
    return entry?.offset !== undefined && entry.offset <= offset ? entry : undefined;
  }

  #isSettled(lost: number, losses: number, settledUpTo: number): boolean {
    if (lost <= this.#toldLost && losses <= this.#toldLosses) return true;
    if (lost > settledUpTo || this.#toldLost >= 0) {
      this.#foundLost = lost;
      this.#foundLosses = losses;
      return false;
    }
    this.#toldLost = lost;
    this.#toldLosses = losses;
    return true;
  }

  /** From the first event of the archive, or the tail, on, whatever goes missing is a gap. */
  #beginWith(lost: number, losses: number): void {
    if (this.#toldLost >= 0) return;
    this.#toldLost = lost;
    this.#toldLosses = losses;
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

/** Where the first entry after an offset is: readers are anywhere in a page, and ask for each event. */
function indexAfter(offset: number, entries: readonly Entry[]): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entries[middle]?.offset ?? Infinity) > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Where what there is of an index begins. */
export interface Beginning {
  /** The last offset of what is gone. */
  readonly lost: number;
  readonly emptyUpTo: number;
}

/** What the archive may be asked for. */
export interface Kept {
  readonly topics: readonly [string] | TopicRule;
  /** Whether what it has lost is all that is gone: no rule may be for some of what a pattern selects. */
  readonly isAll: boolean;
}

/** For whom, and how, a cursor looks back. */
export interface LookBack {
  readonly reader: PageReader;
  /** What was lost up to this offset before anybody looked is no gap. */
  readonly settledUpTo: number;
  /** The end of a hole in the tail, if there is one to be crossed; else 0. */
  readonly upTo: number;
}

/** How far a cursor is read ahead of its reader. */
export interface ReadAhead {
  readonly upTo: number;
  /** Told when a page that was missing is there. */
  readonly reader: PageReader;
  /** False if it wants no more. */
  readonly take: (entry: Entry) => boolean;
}
