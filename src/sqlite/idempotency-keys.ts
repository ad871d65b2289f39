import type { Block } from './blocks.js';
import type { Database, Statement } from './driver.js';

/** Keys that are forgotten, or given another time, at a time. */
const STEP = 1_000;

/**
 * Which event each idempotency key has named, for as long as they are remembered: by the clock, not by the times of the
 * events, which stand still after it was ahead.
 */
export class IdempotencyKeys {
  readonly #window: number;
  readonly #find: Statement;
  readonly #keep: Statement;
  readonly #bounds: Statement;
  readonly #forget: Statement;
  readonly #date: Statement;

  /** @param window milliseconds */
  constructor(database: Database, window: number) {
    this.#window = window;
    this.#find = database.prepare('SELECT offset FROM once WHERE key = ? AND at > ?');
    this.#keep = database.prepare('REPLACE INTO once VALUES (?, ?, ?)');
    this.#bounds = database.prepare(
      'SELECT (SELECT min(at) FROM once) AS oldest, (SELECT max(at) FROM once) AS newest',
    );
    this.#forget = database.prepare(
      `DELETE FROM once WHERE key IN (SELECT key FROM once WHERE at <= ? ORDER BY at LIMIT ${STEP})`,
    );
    this.#date = database.prepare(
      `UPDATE once SET at = ? WHERE key IN (SELECT key FROM once WHERE at > ? LIMIT ${STEP})`,
    );
  }

  /** What of a batch is new, if it comes after `head`; and the offset of each event: of a key that is known, that of its first event. */
  claim(
    blocks: readonly Block[],
    head: number,
  ): { added: readonly Block[]; offsets: readonly number[] } {
    const now = Date.now();
    let last = head;
    const offsets: number[] = [];
    const added = blocks.filter(({ count, idempotencyKey: key }) => {
      const known = key === undefined ? undefined : this.#find.get(key, now - this.#window);
      if (known !== undefined) {
        offsets.push((known as { offset: number }).offset);
        return false;
      }
      for (let index = 0; index < count; index++) offsets.push(++last);
      if (key !== undefined) this.#keep.run(key, last, now);
      return true;
    });
    return { added, offsets };
  }

  /** Whether there is something for {@link tidy} to do. */
  areDue(): boolean {
    const { oldest, newest } = this.#bounds.get() as Record<'oldest' | 'newest', number | null>;
    const now = Date.now();
    return oldest !== null && (oldest <= now - this.#window || Number(newest) > now);
  }

  /**
   * Forgets what has expired. What is of a time to come, because the clock was set back, may be a moment old: it is
   * remembered for a window from now on, as an event that comes twice is worse.
   */
  tidy(): void {
    const now = Date.now();
    this.#date.run(now, now);
    this.#forget.run(now - this.#window);
  }
}
