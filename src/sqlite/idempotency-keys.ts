import type { Database, Statement } from './driver.js';

/** Keys that are forgotten at a time. */
const STEP = 1_000;

/** Which event each idempotency key has named, for as long as they are remembered. */
export class IdempotencyKeys {
  readonly #window: number;
  readonly #find: Statement;
  readonly #keep: Statement;
  readonly #oldest: Statement;
  readonly #forget: Statement;

  /** @param window milliseconds */
  constructor(database: Database, window: number) {
    this.#window = window;
    this.#find = database.prepare('SELECT offset FROM once WHERE key = ? AND at > ?');
    this.#keep = database.prepare('REPLACE INTO once VALUES (?, ?, ?)');
    this.#oldest = database.prepare('SELECT at FROM once ORDER BY at LIMIT 1');
    this.#forget = database.prepare(
      `DELETE FROM once WHERE key IN (SELECT key FROM once WHERE at <= ? ORDER BY at LIMIT ${STEP})`,
    );
  }

  /** The offsets of a batch that comes after `head`: of a key that is known, that of its first event. */
  claim(
    keys: readonly (string | null)[],
    head: number,
    at: number,
  ): { offsets: number[]; isNew: boolean[] } {
    let next = head + 1;
    const offsets: number[] = [];
    const isNew: boolean[] = [];
    for (const key of keys) {
      const known = key === null ? undefined : this.#find.get(key, at - this.#window);
      isNew.push(known === undefined);
      offsets.push(known === undefined ? next : (known as { offset: number }).offset);
      if (known !== undefined) continue;
      if (key !== null) this.#keep.run(key, next, at);
      next++;
    }
    return { offsets, isNew };
  }

  hasExpired(): boolean {
    const oldest = this.#oldest.get() as { at: number } | undefined;
    return oldest !== undefined && oldest.at <= Date.now() - this.#window;
  }

  forgetExpired(): void {
    this.#forget.run(Date.now() - this.#window);
  }
}
