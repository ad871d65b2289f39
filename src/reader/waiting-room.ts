import type { Cursor } from '../log/cursor.js';
import type { ReaderStream } from './reader-stream.js';
import type { Sink } from './sink.js';

/** A reader's wait for a position that this instance has not come to. */
export class Wait {
  /** Whether this instance now has everything that was ordered when the wait began. */
  isOver = false;
  readonly #sink: Sink;
  readonly #joined: number;
  /** What it waits for. */
  readonly requested: Cursor;

  /** @param joined how many streams had joined when it began */
  constructor(sink: Sink, joined: number, requested: Cursor) {
    this.#sink = sink;
    this.#joined = joined;
    this.requested = requested;
  }

  /** Whether a stream has joined since: it was not there when the client asked to go on. */
  precedes(stream: ReaderStream): boolean {
    return stream.joinedAs > this.#joined;
  }

  end(): void {
    this.isOver = true;
    this.#sink.schedule();
  }
}

/**
 * Readers that wait, until what they wait for cannot come any more. However many come and go, the
 * backplane is asked once at a time, and nothing is left of those that have gone.
 */
export class WaitingRoom {
  readonly #catchUp: () => Promise<void>;
  /** Those for whom the backplane catches up now, and those who came too late for that. */
  #present = new Set<Wait>();
  #next = new Set<Wait>();
  #isCatchingUp = false;

  constructor(catchUp: () => Promise<void>) {
    this.#catchUp = catchUp;
  }

  enter(wait: Wait): void {
    if (this.#present.has(wait)) return;
    this.#next.add(wait);
    if (!this.#isCatchingUp) this.#begin();
  }

  leave(wait: Wait | undefined): void {
    if (wait === undefined) return;
    this.#present.delete(wait);
    this.#next.delete(wait);
  }

  #begin(): void {
    this.#isCatchingUp = true;
    this.#present = this.#next;
    this.#next = new Set();
    void this.#catchUp().then(() => {
      this.#isCatchingUp = false;
      for (const wait of this.#present) wait.end();
      this.#present.clear();
      if (this.#next.size > 0) this.#begin();
    });
  }
}
