import type { Entry } from './entry.js';
import { EntryQueue } from './entry-queue.js';
import { bytesOf, ownCopy } from './own-copy.js';

/** Told that an index has more to read, and nothing about what. */
export interface IndexObserver {
  next(): void;
}

/** What an index with entries counts for, in bytes, as measured: its objects, and its name in the maps. */
const OVERHEAD = 512;
/** What an entry counts for in each index that has it. */
const SLOT = 24;
/** What a key counts for beside its text. */
const KEY = 96;

/**
 * The entries of one topic (or of one matcher), so that reading it costs what is read. What counts as memory
 * is history only: an index without entries belongs to its readers.
 */
export class TopicIndex {
  /** Whoever reads it; there is one for all readers, and none when there is no reader. */
  observer: IndexObserver | undefined;
  readonly entries = new EntryQueue();
  #latestByKey: Map<string, Entry> | undefined;

  /**
   * @param names the topic: what its entries share instead of having their own
   * @param lost the last offset that may have been lost before the index was made
   */
  constructor(
    readonly names: readonly string[],
    public lost: number,
  ) {}

  /** @returns the bytes that it counts for more */
  add(entry: Entry): number {
    const more = this.entries.length === 0 ? this.#base + SLOT : SLOT;
    this.entries.push(entry);
    this.observer?.next();
    return more;
  }

  /**
   * Forgets the oldest entry, which the log no longer holds.
   *
   * @returns the bytes that it counts for less
   */
  drop(entry: Entry): number {
    if (this.entries.oldest !== entry) return 0;
    this.entries.shift();
    this.lost = entry.offset;
    const less = this.entries.length === 0 ? this.#base + SLOT : SLOT;
    const { key } = entry;
    if (key === undefined || this.#latestByKey?.get(key) !== entry) return less;
    this.#latestByKey.delete(key);
    return less + KEY + bytesOf(key);
  }

  clear(lost: number): void {
    this.entries.clear();
    this.#latestByKey = undefined;
    this.lost = lost;
  }

  /** A key as entries of this topic share it. */
  keyOf(key: string): string {
    return this.#latestByKey?.get(key)?.key ?? ownCopy(key);
  }

  /**
   * An entry that has a key is now the last one of it.
   *
   * @returns the bytes that the index counts for more
   */
  setLatest(key: string, entry: Entry): number {
    this.#latestByKey ??= new Map();
    const isNew = !this.#latestByKey.has(key);
    this.#latestByKey.set(key, entry);
    return isNew ? KEY + bytesOf(key) : 0;
  }

  /** The last entry of a key that the log holds. */
  latest(key: string): Entry | undefined {
    return this.#latestByKey?.get(key);
  }

  /** What it counts for, without keys. */
  get bytes(): number {
    const { length } = this.entries;
    return length === 0 ? 0 : this.#base + length * SLOT;
  }

  get #base(): number {
    return OVERHEAD + bytesOf(this.names[0] ?? '');
  }
}
