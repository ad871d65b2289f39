import { Subject } from 'rxjs';
import { Audience } from './audience.js';
import type { Entry } from './entry.js';
import { EntryQueue } from './entry-queue.js';
import type { TurnScheduler } from './turn-scheduler.js';

/** The entries of one topic (or of one matcher), so that reading it costs what is read. */
export class TopicIndex {
  /** Says that there is something to read; says nothing about what. */
  readonly announcements = new Subject<void>();
  readonly audience: Audience;
  readonly entries = new EntryQueue();
  readonly #latestByKey = new Map<string, Entry>();

  /** @param lost the last offset that may have been lost before the index was made */
  constructor(
    public lost: number,
    turn: TurnScheduler,
  ) {
    this.audience = new Audience(this.announcements, turn);
  }

  add(entry: Entry): void {
    this.entries.push(entry);
    if (entry.key !== undefined) this.#latestByKey.set(entry.key, entry);
    this.announcements.next();
  }

  /** Forgets the oldest entry, which the log no longer holds. */
  drop(entry: Entry): void {
    if (this.entries.oldest !== entry) return;
    this.entries.shift();
    this.lost = entry.offset;
    if (entry.key !== undefined && this.#latestByKey.get(entry.key) === entry) {
      this.#latestByKey.delete(entry.key);
    }
  }

  clear(lost: number): void {
    this.entries.clear();
    this.#latestByKey.clear();
    this.lost = lost;
  }

  /** The last entry of a key that the log holds. */
  latest(key: string): Entry | undefined {
    return this.#latestByKey.get(key);
  }
}
