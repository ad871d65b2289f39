import type { History } from '../log/log-sink.js';
import { type Block, type BlockRow, pushBlock } from './blocks.js';
import type { Database, Statement, Value } from './driver.js';

/** What an event counts for beside its text, in bytes, as in the log of an instance. */
export const OVERHEAD = 256;
/** What is read at a time: events, and bytes that they count for, or a block that has more. */
const PAGE_EVENTS = 500;
const PAGE_BYTES = 2 ** 20;
/** Events that are removed at a time, at least; nobody waits longer for the lock because of them. */
const STEP = 1_024;
/** Events beyond a bound that are not worth a step of their own. */
const SLACK = 256;
/** Blocks that are looked at at a time. */
const LOOKED_AT = 16;

interface Tail {
  readonly first: number;
  readonly head: number;
  readonly bytes: number;
}

/** A block without its text, which SQLite then does not read. */
interface Size {
  readonly last: number;
  readonly count: number;
  readonly at: number;
  readonly bytes: number;
}

/** Blocks that may go: the last offset in them, and what they have. */
interface Surplus {
  readonly last: number;
  readonly events: number;
  readonly bytes: number;
}

/** The tail in its table: blocks are added at its end, read from its middle and removed at its beginning. */
export class BlockRows {
  readonly #history: History;
  readonly #insert: Statement;
  readonly #sizes: Statement;
  readonly #select: Statement;
  readonly #remove: Statement;

  constructor(database: Database, history: History) {
    this.#history = history;
    this.#insert = database.prepare(
      'INSERT INTO blocks (last, count, at, bytes, text) VALUES (?, ?, ?, ?, ?)',
    );
    this.#sizes = database.prepare(
      'SELECT last, count, at, bytes FROM blocks WHERE last > ? ORDER BY last LIMIT ?',
    );
    this.#select = database.prepare(
      'SELECT last, at, text FROM blocks WHERE last > ? AND last <= ? ORDER BY last',
    );
    this.#remove = database.prepare('DELETE FROM blocks WHERE last <= ?');
  }

  /** Adds blocks after `head`; gives the bytes that they count for. */
  add(head: number, blocks: readonly Block[], at: number): number {
    let total = 0;
    let last = head;
    for (const { count, text } of blocks) {
      const bytes = Buffer.byteLength(text) + count * OVERHEAD;
      last += count;
      total += bytes;
      this.#insert.run(last, count, at, bytes, text);
    }
    return total;
  }

  /** The blocks with the events after an offset, flat: of the first one, some may be before it. */
  read(after: number): Value[] {
    let last = after;
    let events = 0;
    let bytes = 0;
    for (const size of this.#after(after)) {
      events += size.count;
      bytes += size.bytes;
      if (last > after && (events > PAGE_EVENTS || bytes > PAGE_BYTES)) break;
      last = size.last;
    }
    const values: Value[] = [];
    for (const row of this.#select.all(after, last) as BlockRow[]) pushBlock(values, row);
    return values;
  }

  /** Whether the bounds no longer allow so many events that it is worth a step. */
  isOver(tail: Tail, now: number): boolean {
    return this.#surplusOf(tail, now, STEP) !== undefined;
  }

  /**
   * Removes one step of what the bounds no longer allow; gives what the tail then is. A block goes as a whole, once all of
   * it is too much.
   *
   * @param added events that were added in this step: more have to go than come
   */
  trim(tail: Tail, now: number, added: number): { first: number; bytes: number } {
    const { first, bytes } = tail;
    const surplus = this.#surplusOf(tail, now, Math.max(STEP, added * 2));
    if (surplus === undefined) return { first, bytes };
    this.#remove.run(surplus.last);
    return { first: surplus.last + 1, bytes: bytes - surplus.bytes };
  }

  #surplusOf(tail: Tail, now: number, step: number): Surplus | undefined {
    const { maxEvents, maxBytes, maxAge } = this.#history;
    const { first, head, bytes } = tail;
    const count = head - first + 1;
    const slack = Math.min(SLACK, Math.ceil(count / 16));
    const isLong = count - maxEvents >= slack || bytes - maxBytes >= (slack / count) * bytes;
    if (count <= 0 || (!isLong && maxAge === false)) return undefined;
    const oldestAllowed = maxAge === false ? -Infinity : now - maxAge;
    let gone: Surplus = { last: first - 1, events: 0, bytes: 0 };
    for (const block of this.#after(first - 1)) {
      const isSurplus =
        head - block.last >= maxEvents || bytes - gone.bytes - block.bytes >= maxBytes;
      if (!isSurplus && block.at >= oldestAllowed) break;
      gone = {
        last: block.last,
        events: gone.events + block.count,
        bytes: gone.bytes + block.bytes,
      };
      if (gone.events >= step) break;
    }
    return gone.events > 0 && gone.events >= slack ? gone : undefined;
  }

  /** The blocks after an offset, as far as they are asked for. */
  *#after(offset: number): Iterable<Size> {
    let last = offset;
    for (;;) {
      const blocks = this.#sizes.all(last, LOOKED_AT) as Size[];
      yield* blocks;
      if (blocks.length < LOOKED_AT) return;
      last = blocks.at(-1)?.last ?? last;
    }
  }
}
