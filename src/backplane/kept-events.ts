import type { ArchivedEvent } from './archive.js';

/** Places that are given back at a time, at least. */
const COMPACTED = 64;

interface Place {
  readonly offset: number;
  /** Milliseconds on the monotonic clock. */
  readonly since: number;
  /** Undefined when it was removed. */
  event: ArchivedEvent | undefined;
}

/**
 * Events in the order of their offsets. Removing one, wherever it is, costs no more than adding one: its place is given
 * back with others.
 */
export class KeptEvents {
  #places: Place[] = [];
  #start = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The first one; what was before it is given back. */
  get oldest(): { readonly event: ArchivedEvent; readonly since: number } | undefined {
    for (; this.#start < this.#places.length; this.#start++) {
      const { event, since } = this.#places[this.#start] ?? {};
      if (event !== undefined && since !== undefined) return { event, since };
    }
    this.#compact();
    return undefined;
  }

  push(event: ArchivedEvent, since: number): void {
    this.#places.push({ offset: event.offset, since, event });
    this.#size++;
  }

  has(event: ArchivedEvent): boolean {
    return this.#places[this.#seek(event.offset - 1)]?.event === event;
  }

  /** False if it is not there. */
  remove(event: ArchivedEvent): boolean {
    const place = this.#places[this.#seek(event.offset - 1)];
    if (place?.event !== event) return false;
    place.event = undefined;
    this.#size--;
    this.#compact();
    return true;
  }

  /** Those after an offset and up to another, the oldest first. */
  *between(after: number, upTo: number): Iterable<ArchivedEvent> {
    for (let index = this.#seek(after); index < this.#places.length; index++) {
      const { offset, event } = this.#places[index] ?? { offset: Infinity };
      if (offset > upTo) return;
      if (event !== undefined) yield event;
    }
  }

  /** Those at or before an offset, the newest first. */
  *backwardsFrom(upTo: number): Iterable<ArchivedEvent> {
    for (let index = this.#seek(upTo) - 1; index >= this.#start; index--) {
      const event = this.#places[index]?.event;
      if (event !== undefined) yield event;
    }
  }

  #compact(): void {
    const gone = this.#places.length - this.#size;
    if (gone < COMPACTED || gone * 2 < this.#places.length) return;
    this.#places = this.#places.filter(({ event }) => event !== undefined);
    this.#start = 0;
  }

  /** The index of the first place after an offset. */
  #seek(offset: number): number {
    let low = this.#start;
    let high = this.#places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#places[middle]?.offset ?? Infinity) > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
