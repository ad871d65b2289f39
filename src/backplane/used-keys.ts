import { ownCopy } from '../log/own-copy.js';

/** How long, in milliseconds on the monotonic clock, a key is remembered at least, if there is room. */
const WINDOW = 300_000;
/** Keys are remembered by the generation, of at most so many: the last one, and the one before it. */
const GENERATION = 25_000;
/** Characters of the keys of a generation; long ones make it a short one. */
const CHARACTERS = 1_000_000;

/** The idempotency keys that were used lately, and the offset that each one got first. */
export class UsedKeys {
  #recent = new Map<string, number>();
  #older = new Map<string, number>();
  #characters = 0;
  #since = 0;

  offsetOf(key: string): number | undefined {
    this.#forgetOld();
    return this.#recent.get(key) ?? this.#older.get(key);
  }

  /** @param key one that is not known */
  remember(key: string, offset: number): void {
    if (this.#recent.size === 0) this.#since = performance.now();
    this.#recent.set(ownCopy(key), offset);
    this.#characters += key.length;
    if (this.#recent.size >= GENERATION || this.#characters >= CHARACTERS) this.#begin();
  }

  clear(): void {
    this.#begin();
    this.#begin();
  }

  /** One generation ends when its first key is past the window; by its own end the one before it is, as a whole. */
  #forgetOld(): void {
    const age = performance.now() - this.#since;
    if (this.#recent.size > 0 && age >= WINDOW) this.#begin();
    else if (this.#recent.size === 0 && age >= 2 * WINDOW) this.#older.clear();
  }

  #begin(): void {
    this.#older = this.#recent;
    this.#recent = new Map();
    this.#characters = 0;
  }
}
