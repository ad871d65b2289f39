import type { Logger } from '@nestjs/common';
import type { EventBus } from '../bus/event-bus.js';
import { disown, received, renderError, SseError } from '../errors.js';
import type { Entry } from '../log/entry.js';
import { toRecord } from '../log/event-record.js';
import type { Neighbours, ReplayMerge } from '../reader/neighbours.js';
import type { Run } from './run.js';

/** An event of a run, as it was emitted or as `merge` has made it of several. */
export interface ReplayedEvent {
  readonly type?: string | undefined;
  /** As JSON gives it back. */
  readonly data: unknown;
}

/**
 * Makes one event of two that follow each other, the first of which may have been made so before; undefined if they stay
 * two. It says the same whenever it is asked.
 */
export type Merge = (a: ReplayedEvent, b: ReplayedEvent) => ReplayedEvent | undefined;

/** How many events are made one at most, and characters of their data. */
const MAX_EVENTS = 4_096;
const MAX_LENGTH = 65_536;
/** Characters of what is made of so much data at most. */
const MAX_MERGED_LENGTH = 2 * MAX_LENGTH;
/** Bytes of merged events that are kept for other readers, roughly; and what each counts for beside its entry. */
const CACHE_BYTES = 8 * 1024 * 1024;
const OVERHEAD = 256;

/** Merged events, by the offset of the first of them. */
interface Merged {
  readonly first: number;
  /** Undefined of one that is known to begin there, and of which no more is known. */
  readonly entry?: Entry;
  readonly count: number;
  /** Characters of what was merged. */
  readonly length: number;
  /** Whether what comes next is not one with it. */
  readonly isFull: boolean;
}

/** What is known of one run and one `merge`. */
interface Shelf {
  readonly byFirst: Map<number, Merged>;
  isBroken: boolean;
}

/** Events of runs that were merged, once for all readers of this instance that need them. */
export class Merges {
  readonly #bus: EventBus;
  readonly #logger: Logger;
  readonly #shelves = new WeakMap<Run, WeakMap<Merge, Shelf>>();
  /** The one that was used last at the end, with what it counts for: an entry that is encoded counts for less than before. */
  readonly #recent = new Map<Merged, { readonly shelf: Shelf; readonly bytes: number }>();
  #bytes = 0;
  readonly #reported = new WeakSet<Merge>();

  constructor(bus: EventBus, logger: Logger) {
    this.#bus = bus;
    this.#logger = logger;
  }

  /** @param run the one that is read now */
  of(merge: Merge, run: () => Run | undefined): ReplayMerge {
    return {
      begin: (first, upTo, isFirst) => {
        const shelf = this.#shelfOf(run(), merge);
        const known = shelf.byFirst.get(first.offset);
        if (known !== undefined) this.#use(known);
        const isKept = isFirst || known !== undefined;
        const usable = known?.entry !== undefined && known.entry.offset <= upTo ? known : undefined;
        return new MergedNeighbours({ first, shelf, merge, known: usable, merges: this, isKept });
      },
    };
  }

  /** The entry of an event that has the place of another. */
  toEntry({ topics, offset, publishedAt }: Entry, event: ReplayedEvent): Entry {
    const record = toRecord(topics, { type: event.type, data: event.data });
    if (record.text.length > MAX_MERGED_LENGTH) {
      throw new SseError('BAD_EVENT', `It made ${record.text.length} characters of far fewer`);
    }
    return this.#bus.log.archived(offset, { ...record, at: publishedAt });
  }

  keep(merged: Merged, shelf: Shelf): void {
    const before = shelf.byFirst.get(merged.first);
    if (before !== undefined) {
      if ((before.entry?.offset ?? 0) >= (merged.entry?.offset ?? 0)) return;
      this.#drop(before, shelf);
    }
    shelf.byFirst.set(merged.first, merged);
    const bytes = OVERHEAD + (merged.entry?.cost ?? 0);
    this.#recent.set(merged, { shelf, bytes });
    this.#bytes += bytes;
    for (const [oldest, its] of this.#recent) {
      if (this.#bytes <= CACHE_BYTES || oldest === merged) return;
      this.#drop(oldest, its.shelf);
    }
  }

  /** From now on nothing of the run is merged by it. */
  onFailure(shelf: Shelf, merge: Merge, error: unknown): void {
    shelf.isBroken = true;
    if (this.#reported.has(merge)) return;
    this.#reported.add(merge);
    this.#logger.error(
      'The merge of runs.stream() failed: the run is told as it was emitted. It returns { type?, data }, or undefined for what is not one event',
      renderError(error),
    );
  }

  #shelfOf(run: Run | undefined, merge: Merge): Shelf {
    const empty = { byFirst: new Map<number, Merged>(), isBroken: false };
    if (run === undefined) return empty;
    let byMerge = this.#shelves.get(run);
    if (byMerge === undefined) this.#shelves.set(run, (byMerge = new WeakMap()));
    const shelf = byMerge.get(merge);
    if (shelf === undefined) byMerge.set(merge, empty);
    return shelf ?? empty;
  }

  #use(merged: Merged): void {
    const use = this.#recent.get(merged);
    if (use === undefined) return;
    this.#recent.delete(merged);
    this.#recent.set(merged, use);
  }

  #drop(merged: Merged, shelf: Shelf): void {
    shelf.byFirst.delete(merged.first);
    this.#bytes -= this.#recent.get(merged)?.bytes ?? 0;
    this.#recent.delete(merged);
  }
}

interface Beginning {
  readonly first: Entry;
  readonly shelf: Shelf;
  readonly merge: Merge;
  readonly known: Merged | undefined;
  readonly merges: Merges;
  /**
   * Whether others will need what begins here: else everybody who comes back somewhere else would have it begin anew there,
   * until nothing was left to merge.
   */
  readonly isKept: boolean;
}

class MergedNeighbours implements Neighbours {
  readonly #beginning: Beginning;
  #event: ReplayedEvent | undefined;
  #last: Entry;
  /** Those that `#event` was made of. */
  readonly #parts: Entry[];
  /** Whether `merge` has refused, and may have changed what `#event` holds. */
  #isSuspect = false;
  #count: number;
  #length: number;
  #isFull: boolean;

  constructor(beginning: Beginning) {
    this.#beginning = beginning;
    const { first, known, shelf } = beginning;
    this.#last = known?.entry ?? first;
    this.#parts = [this.#last];
    this.#count = known?.count ?? 1;
    this.#length = known?.length ?? first.text.length;
    this.#isFull = shelf.isBroken || known?.isFull === true;
  }

  get offset(): number {
    return this.#last.offset;
  }

  add(next: Entry): boolean {
    if (this.#isFull) return false;
    const { shelf, merges, isKept } = this.#beginning;
    const event = shelf.byFirst.has(next.offset) ? undefined : this.#merged(next);
    if (event !== undefined) {
      this.#event = event;
      this.#last = next;
      this.#parts.push(next);
      return true;
    }
    this.#isFull = true;
    const isNext = isKept && !shelf.isBroken && !shelf.byFirst.has(next.offset);
    if (isNext) merges.keep({ first: next.offset, count: 1, length: 0, isFull: false }, shelf);
    return false;
  }

  end(): Entry {
    const { first, shelf, merge, known, merges, isKept } = this.#beginning;
    const before = known?.entry ?? first;
    try {
      const event = this.#isSuspect ? this.#again() : this.#event;
      const isNew = event !== undefined;
      const entry = event === undefined ? before : merges.toEntry(this.#last, event);
      const isToKeep = isKept && (isNew || (known === undefined && this.#isFull));
      const [count, length, isFull] = [this.#count, this.#length, this.#isFull];
      if (isToKeep && !shelf.isBroken)
        merges.keep({ first: first.offset, entry, count, length, isFull }, shelf);
      return entry;
    } catch (error) {
      merges.onFailure(shelf, merge, error);
      return before;
    }
  }

  #merged(next: Entry): ReplayedEvent | undefined {
    const { shelf, merge, merges } = this.#beginning;
    const { text } = next;
    if (this.#count >= MAX_EVENTS || this.#length + text.length > MAX_LENGTH) return undefined;
    try {
      const event = this.#event ?? eventOf(this.#last, this.#last.text);
      // What a copy of the event does not keep from changes is told by #isSuspect.
      this.#isSuspect = typeof event.data === 'object';
      const merged: unknown = merge({ ...event }, eventOf(next, text));
      if (merged === undefined) return undefined;
      const whole = checked(merged);
      this.#isSuspect = false;
      this.#count++;
      this.#length += text.length;
      return whole;
    } catch (error) {
      merges.onFailure(shelf, merge, error);
      return undefined;
    }
  }

  /** What was made before `merge` refused: the same as then, as it says the same whenever it is asked. */
  #again(): ReplayedEvent | undefined {
    const { merge } = this.#beginning;
    const [first, ...rest] = this.#parts;
    if (first === undefined || rest.length === 0) return undefined;
    return rest.reduce<ReplayedEvent>(
      (event, next) => checked(merge({ ...event }, eventOf(next, next.text))),
      eventOf(first, first.text),
    );
  }
}

function eventOf({ type, isJson }: Entry, text: string): ReplayedEvent {
  const data: unknown = isJson ? JSON.parse(text) : text;
  return type === undefined ? { data } : { type, data };
}

function checked(merged: unknown): ReplayedEvent {
  if (typeof merged !== 'object' || merged === null || !('data' in merged)) {
    disown(merged);
    throw new SseError('BAD_EVENT', `It returned ${received(merged)}`);
  }
  const { data } = merged;
  if (typeof data === 'string' && data.length > MAX_MERGED_LENGTH) {
    throw new SseError('BAD_EVENT', `It made ${data.length} characters of far fewer`);
  }
  return merged;
}
