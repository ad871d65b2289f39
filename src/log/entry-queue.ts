import type { Entry } from './entry.js';

/** Entries in the order of their offsets: added at the end, dropped at the front, found by offset. */
export class EntryQueue {
  #entries: (Entry | undefined)[] = [];
  #dropped = 0;
  #base = 0;

  get length(): number {
    return this.#entries.length - this.#dropped;
  }

  get oldest(): Entry | undefined {
    return this.#entries[this.#dropped];
  }

  get newest(): Entry | undefined {
    return this.#entries.at(-1);
  }

  /** The position of the oldest entry: what was before it is gone. */
  get start(): number {
    return this.#base + this.#dropped;
  }

  push(entry: Entry): void {
    // An array that grows takes room for sixteen more, and most topics have one event.
    if (this.#entries.length === 0) this.#entries = [entry];
    else this.#entries.push(entry);
  }

  shift(): void {
    if (this.#dropped >= this.#entries.length) return;
    // The slot waits for others to go with it; the entry's memory must not.
    this.#entries[this.#dropped++] = undefined;
    if (this.#dropped === this.#entries.length) {
      this.#base += this.#dropped;
      this.#entries = [];
      this.#dropped = 0;
    } else if (this.#dropped > 64 && this.#dropped * 2 > this.#entries.length) {
      this.#base += this.#dropped;
      this.#entries = this.#entries.slice(this.#dropped);
      this.#dropped = 0;
    }
  }

  clear(): void {
    while (this.length > 0) this.shift();
  }

  /** The entry at a position that {@link seek} gave, counted on by one for each entry read. */
  at(position: number): Entry | undefined {
    return this.#entries[position - this.#base];
  }

  /** The position of the first entry after `offset`; of the next one to come, if there is none yet. */
  seek(offset: number): number {
    let low = this.#dropped;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.offset ?? Infinity) > offset) high = middle;
      else low = middle + 1;
    }
    return this.#base + low;
  }

  /** The position of the first entry that was published at a time or later, in milliseconds since the Unix epoch. */
  seekTime(time: number): number {
    let low = this.#dropped;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.publishedAt ?? -Infinity) < time) low = middle + 1;
      else high = middle;
    }
    return this.#base + low;
  }

  /** The offsets of the last entries that are no ends, of so many at most, the last one first. */
  lastOffsets(count: number): number[] {
    const end = this.#entries.length;
    const offsets: number[] = [];
    for (let index = end - 1; index >= this.#dropped && offsets.length < count; index--) {
      const entry = this.#entries[index];
      if (entry?.isEnd === false) offsets.push(entry.offset);
    }
    return offsets;
  }

  *[Symbol.iterator](): IterableIterator<Entry> {
    for (let index = this.#dropped; index < this.#entries.length; index++) {
      const entry = this.#entries[index];
      if (entry !== undefined) yield entry;
    }
  }
}
