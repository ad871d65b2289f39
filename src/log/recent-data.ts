/** What parses its data when somebody looks at it. */
export interface Parsed {
  /** Bytes of its data, roughly. */
  readonly size: number;
  forgetData(): void;
}

/** Bytes of what is remembered with its data: what is parsed takes many times as much. */
const MOST = 8 * 1_024 * 1_024;

/**
 * Remembers the data that subscribers look at until the round of readers ends: it is parsed once for all who
 * look at it in one round, and afterwards an entry costs its bytes again.
 */
export class RecentData {
  #entries: Parsed[] = [];
  #bytes = 0;
  /** The last one for which there was no room. */
  #extra: Parsed | undefined;
  readonly #requestEnd: () => void;

  /** @param requestEnd makes sure that a round ends, and so {@link clear} is called */
  constructor(requestEnd: () => void) {
    this.#requestEnd = requestEnd;
  }

  add(entry: Parsed): void {
    if (this.#entries.length === 0) this.#requestEnd();
    if (this.#bytes < MOST) {
      this.#entries.push(entry);
      this.#bytes += entry.size;
    } else {
      // Those that were first stay: who reads all of it again begins with them.
      this.#extra?.forgetData();
      this.#extra = entry;
    }
  }

  clear(): void {
    if (this.#entries.length === 0) return;
    for (const entry of this.#entries) entry.forgetData();
    this.#extra?.forgetData();
    this.#extra = undefined;
    this.#entries = [];
    this.#bytes = 0;
  }
}
