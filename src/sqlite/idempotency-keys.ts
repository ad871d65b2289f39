import type { Block } from './blocks.js';
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

  /** What of a batch is new, if it comes after `head`; and the offset of each event: of a key that is known, that of its first event. */
  claim(
    blocks: readonly Block[],
    head: number,
    at: number,
  ): { added: readonly Block[]; offsets: readonly number[] } {
    let last = head;
    const offsets: number[] = [];
    const added = blocks.filter(({ count, idempotencyKey: key }) => {
      const known = key === undefined ? undefined : this.#find.get(key, at - this.#window);
      if (known !== undefined) {
        offsets.push((known as { offset: number }).offset);
        return false;
      }
      for (let index = 0; index < count; index++) offsets.push(++last);
      if (key !== undefined) this.#keep.run(key, last, at);
      return true;
    });
    return { added, offsets };
  }

  hasExpired(): boolean {
    const oldest = this.#oldest.get() as { at: number } | undefined;
    return oldest !== undefined && oldest.at <= Date.now() - this.#window;
  }

  forgetExpired(): void {
    this.#forget.run(Date.now() - this.#window);
  }
}
