import type { Retention } from '../log/retention.js';
import type { ArchivedEvent } from './archive.js';
import type { Loss } from './forgotten-topics.js';

interface Kept {
  readonly event: ArchivedEvent;
  /** Milliseconds on the monotonic clock. */
  readonly since: number;
}

/** How long a topic without events remembers what it lost, as a multiple of how long it kept them. */
const REMEMBERED = 2;
/** The least of that, in milliseconds. */
const REMEMBERED_AT_LEAST = 3_600_000;

/** The events of one topic that a rule keeps, the oldest first. */
export class KeptTopic {
  #lost: Loss;
  #kept: Kept[] = [];
  #lastAt = 0;
  #retention: Retention;
  readonly #latestByKey = new Map<string, ArchivedEvent>();

  /** @param lost what a topic of that name may have lost before */
  constructor(
    readonly name: string,
    retention: Retention,
    lost: Loss,
  ) {
    this.#retention = retention;
    this.#lost = lost;
  }

  get retention(): Retention {
    return this.#retention;
  }

  /** An entry says how long it is kept itself. */
  keepAs(retention: Retention): void {
    const isLonger = Number(retention.keepFor) > Number(this.#retention.keepFor);
    if (isLonger || this.size === 0) this.#retention = retention;
  }

  /** The last offset that it lost; what a later event of its key replaced is not lost. */
  get lost(): number {
    return this.#lost.lost;
  }

  get loss(): Loss {
    return this.#lost;
  }

  /** How many events it has. */
  get size(): number {
    return this.#kept.length;
  }

  has(event: ArchivedEvent): boolean {
    return this.#kept[this.#seek(event.offset - 1)]?.event === event;
  }

  /** Of its last events at or before an offset, so many at most. */
  lastOffsets(count: number, upTo: number): number[] {
    const end = this.#seek(upTo);
    return this.#kept.slice(Math.max(0, end - count), end).map(({ event }) => event.offset);
  }

  /** @returns bytes that what it replaced or pushed out had counted for */
  add(event: ArchivedEvent, now: number, costOf: (event: ArchivedEvent) => number): number {
    const { keepEvents, keepLatestPerKey } = this.retention;
    const { key } = event.record;
    let freed = 0;
    if (keepLatestPerKey && key !== undefined) {
      const replaced = this.#latestByKey.get(key);
      if (replaced !== undefined && this.#remove(replaced)) freed += costOf(replaced);
      this.#latestByKey.set(key, event);
    }
    this.#kept.push({ event, since: now });
    this.#lastAt = now;
    while (keepEvents !== false && this.#kept.length > keepEvents) freed += this.#lose(costOf);
    return freed + this.expire(now, costOf);
  }

  /** Drops what is older than the rule allows. */
  expire(now: number, costOf: (event: ArchivedEvent) => number): number {
    const { keepFor, isWhole } = this.retention;
    let freed = 0;
    if (keepFor === false || (isWhole && this.#lastAt > now - keepFor)) return freed;
    while (this.#kept[0] !== undefined && this.#kept[0].since <= now - keepFor) {
      freed += this.#lose(costOf);
    }
    return freed;
  }

  /** Drops an event because there is no room; false if it has gone already. */
  drop(event: ArchivedEvent): boolean {
    if (!this.#remove(event)) return false;
    this.#forgetKey(event);
    this.#remember(event);
    return true;
  }

  between(after: number, upTo: number, count: number): ArchivedEvent[] {
    const start = this.#seek(after);
    const events: ArchivedEvent[] = [];
    for (let index = start; index < this.#kept.length && events.length < count; index++) {
      const event = this.#kept[index]?.event;
      if (event === undefined || event.offset > upTo) break;
      events.push(event);
    }
    return events;
  }

  latest(upTo: number): ArchivedEvent | undefined {
    return this.#kept[this.#seek(upTo) - 1]?.event;
  }

  /** The offset of the last event that was published before a time; 0 if none was. */
  beforeTime(time: number): number {
    const kept = this.#kept.findLast(({ event }) => (event.record.at ?? 0) < time);
    return Math.max(kept?.event.offset ?? 0, this.#lost.lostAt < time ? this.lost : 0);
  }

  /** Whether it has nothing, and what it lost was so long ago that nobody is likely to ask. */
  isForgettable(now: number): boolean {
    const { keepFor } = this.retention;
    if (this.#kept.length > 0) return false;
    const remembered = Math.max(
      (keepFor === false ? 0 : keepFor) * REMEMBERED,
      REMEMBERED_AT_LEAST,
    );
    return now - this.#lastAt > remembered;
  }

  #lose(costOf: (event: ArchivedEvent) => number): number {
    const oldest = this.#kept.shift();
    if (oldest === undefined) return 0;
    this.#forgetKey(oldest.event);
    this.#remember(oldest.event);
    return costOf(oldest.event);
  }

  #remember({ offset, record }: ArchivedEvent): void {
    if (offset > this.lost) this.#lost = { lost: offset, lostAt: record.at ?? 0 };
  }

  #remove(event: ArchivedEvent): boolean {
    const index = this.#seek(event.offset - 1);
    if (this.#kept[index]?.event !== event) return false;
    this.#kept.splice(index, 1);
    return true;
  }

  #forgetKey(event: ArchivedEvent): void {
    const { key } = event.record;
    if (key !== undefined && this.#latestByKey.get(key) === event) this.#latestByKey.delete(key);
  }

  /** The index of the first event after an offset. */
  #seek(offset: number): number {
    let low = 0;
    let high = this.#kept.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#kept[middle]?.event.offset ?? Infinity) > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
