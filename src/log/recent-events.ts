/** What makes its event when somebody looks at it. */
export interface Looked {
  readonly frame: Buffer;
  forgetEvent(): void;
}

/** Bytes of frames whose events are remembered at once: what is parsed takes many times as much. */
const MOST = 4 * 1_024 * 1_024;

/**
 * Remembers the events that subscribers look at for as long as a round of readers runs: all of them get the
 * same object then, made and parsed once, and afterwards an entry costs its bytes again.
 */
export class RecentEvents {
  #entries: Looked[] = [];
  #bytes = 0;

  add(entry: Looked): void {
    if (this.#bytes > MOST) this.clear();
    this.#entries.push(entry);
    this.#bytes += entry.frame.length;
  }

  clear(): void {
    if (this.#entries.length === 0) return;
    for (const entry of this.#entries) entry.forgetEvent();
    this.#entries = [];
    this.#bytes = 0;
  }
}
