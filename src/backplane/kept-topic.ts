import type { Retention } from '../log/retention.js';
import { TOPIC_END } from '../log/topic-end.js';
import type { ArchivedEvent } from './archive.js';
import type { Loss } from './forgotten-topics.js';
import { KeptEvents } from './kept-events.js';

/** How long a topic without events remembers what it lost, as a multiple of how long it kept them. */
const REMEMBERED = 2;
/** The least of that, in milliseconds. */
const REMEMBERED_AT_LEAST = 3_600_000;

/** The events of one topic that a rule keeps, the oldest first. */
export class KeptTopic {
  #lost: Loss;
  readonly #kept = new KeptEvents();
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
    return this.#kept.size;
  }

  has(event: ArchivedEvent): boolean {
    return this.#kept.has(event);
  }

  /** Of its last events at or before an offset, so many at most; ends are none. */
  lastOffsets(count: number, upTo: number): number[] {
    const offsets: number[] = [];
    for (const { offset, record } of this.#kept.backwardsFrom(upTo)) {
      if (offsets.length === count) break;
      if (record.type !== TOPIC_END) offsets.push(offset);
    }
    return offsets;
  }

  /** @returns bytes that what it replaced or pushed out had counted for */
  add(event: ArchivedEvent, now: number, costOf: (event: ArchivedEvent) => number): number {
    const { keepEvents, keepLatestPerKey } = this.retention;
    const { key } = event.record;
    let freed = 0;
    if (keepLatestPerKey && key !== undefined) {
      const replaced = this.#latestByKey.get(key);
      if (replaced !== undefined && this.#kept.remove(replaced)) freed += costOf(replaced);
      this.#latestByKey.set(key, event);
    }
    this.#kept.push(event, now);
    this.#lastAt = now;
    while (keepEvents !== false && this.size > keepEvents) freed += this.#lose(costOf);
    return freed + this.expire(now, costOf);
  }

  /** Drops what is older than the rule allows. */
  expire(now: number, costOf: (event: ArchivedEvent) => number): number {
    const { keepFor, isWhole } = this.retention;
    let freed = 0;
    if (keepFor === false || (isWhole && this.#lastAt > now - keepFor)) return freed;
    while ((this.#kept.oldest?.since ?? Infinity) <= now - keepFor) freed += this.#lose(costOf);
    return freed;
  }

  /** Drops an event because there is no room; false if it has gone already. */
  drop(event: ArchivedEvent): boolean {
    if (!this.#kept.remove(event)) return false;
    this.#forgetKey(event);
    this.#remember(event);
    return true;
  }

  between(after: number, upTo: number, count: number): ArchivedEvent[] {
    const events: ArchivedEvent[] = [];
    for (const event of this.#kept.between(after, upTo)) {
      if (events.length === count) break;
      events.push(event);
    }
    return events;
  }

  latest(upTo: number): ArchivedEvent | undefined {
    for (const event of this.#kept.backwardsFrom(upTo)) return event;
    return undefined;
  }

  /** The offset of the last event that was published before a time; 0 if none was. */
  beforeTime(time: number): number {
    let before = this.#lost.lostAt < time ? this.lost : 0;
    for (const { offset, record } of this.#kept.backwardsFrom(Infinity)) {
      if ((record.at ?? 0) >= time) continue;
      before = Math.max(before, offset);
      break;
    }
    return before;
  }

  /** Whether it has nothing, and what it lost was so long ago that nobody is likely to ask. */
  isForgettable(now: number): boolean {
    const { keepFor } = this.retention;
    if (this.size > 0) return false;
    const remembered = Math.max(
      (keepFor === false ? 0 : keepFor) * REMEMBERED,
      REMEMBERED_AT_LEAST,
    );
    return now - this.#lastAt > remembered;
  }

  #lose(costOf: (event: ArchivedEvent) => number): number {
    const event = this.#kept.oldest?.event;
    if (event === undefined) return 0;
    this.#kept.remove(event);
    this.#forgetKey(event);
    this.#remember(event);
    return costOf(event);
  }

  #remember({ offset, record }: ArchivedEvent): void {
    if (offset > this.lost) this.#lost = { lost: offset, lostAt: record.at ?? 0 };
  }

  #forgetKey(event: ArchivedEvent): void {
    const { key } = event.record;
    if (key !== undefined && this.#latestByKey.get(key) === event) this.#latestByKey.delete(key);
  }
}
