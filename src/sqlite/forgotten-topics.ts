import { type Losses, nameToFind, namesOfTopic } from '../backplane/forgotten-topics.js';
import { placeOfName } from '../backplane/name-filter.js';
import type { Database, Statement } from './driver.js';

/** One block of names, as text: the drivers disagree about bytes. */
const EMPTY_BLOCK = '0'.repeat(4_096 / 4);

interface ForgottenRow {
  readonly forgotten_lost: number;
  readonly forgotten_at: number;
  readonly forgotten_sum: number;
}

/** As `ForgottenTopics` in memory, in the file. */
export class ForgottenRows {
  readonly #loss: Statement;
  readonly #lose: Statement;
  readonly #block: Statement;
  readonly #writeBlock: Statement;

  constructor(database: Database) {
    this.#loss = database.prepare('SELECT forgotten_lost, forgotten_at, forgotten_sum FROM log');
    this.#lose = database.prepare(
      'UPDATE log SET forgotten_lost = ?, forgotten_at = ?, forgotten_sum = ?',
    );
    this.#block = database.prepare('SELECT names FROM forgotten WHERE block = ?');
    this.#writeBlock = database.prepare(
      'INSERT INTO forgotten (block, names) VALUES (?, ?) ON CONFLICT (block) DO UPDATE SET names = excluded.names',
    );
  }

  remember(topic: string, lost: number, lostAt: number): void {
    for (const name of namesOfTopic(topic)) this.#add(name);
    const { forgotten_lost, forgotten_at, forgotten_sum } = this.#row();
    const isLast = lost > forgotten_lost;
    this.#lose.run(
      isLast ? lost : forgotten_lost,
      isLast ? lostAt : forgotten_at,
      forgotten_sum + lost,
    );
  }

  /** What a topic has lost that is not in the file, or may be new. */
  lossOf(topic: string): { readonly lost: number; readonly lost_at: number } {
    const { forgotten_lost, forgotten_at } = this.#row();
    return forgotten_lost > 0 && this.#has(topic)
      ? { lost: forgotten_lost, lost_at: forgotten_at }
      : { lost: 0, lost_at: 0 };
  }

  /** Adds what is not known of a topic, or of a pattern. */
  addTo(losses: Losses, topic: string | { readonly pattern: string }): void {
    const { forgotten_lost, forgotten_sum } = this.#row();
    if (forgotten_lost === 0) return;
    const name = nameToFind(topic);
    if (name !== '' && !this.#has(name)) return;
    losses.add(forgotten_lost, typeof topic === 'string' ? forgotten_lost : forgotten_sum);
  }

  #row(): ForgottenRow {
    return this.#loss.get() as ForgottenRow;
  }

  #add(name: string): void {
    const { block, bits } = placeOfName(name);
    const digits = Array.from(this.#digitsOf(block));
    for (const bit of bits) {
      const digit = Number.parseInt(digits[bit >>> 2] ?? '0', 16) | (1 << (bit & 3));
      digits[bit >>> 2] = digit.toString(16);
    }
    this.#writeBlock.run(block, digits.join(''));
  }

  #has(name: string): boolean {
    const { block, bits } = placeOfName(name);
    const digits = this.#digitsOf(block);
    return bits.every((bit) => (Number.parseInt(digits[bit >>> 2] ?? '0', 16) >>> (bit & 3)) & 1);
  }

  #digitsOf(block: number): string {
    const row = this.#block.get(block) as { names: string } | undefined;
    return row?.names ?? EMPTY_BLOCK;
  }
}
