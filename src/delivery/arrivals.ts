import type { StreamPosition } from '../log/cursor.js';
import type { Log } from '../log/log.js';
import { breakOff, type HttpResponse, isGone } from './http.js';

/** Requests that are kept before it is worth looking which of them have been answered. */
const LEAST = 64;

/** Requests for streams that guards have yet to decide about, and where the log was when they came. */
export class Arrivals {
  /** Some of them answered by now. */
  readonly #positions = new Map<HttpResponse, StreamPosition>();
  #bound = LEAST;
  readonly #log: Log;
  /** Requests that arrive between two events share it. */
  #last: StreamPosition = { epoch: '', offset: 0 };
  /** Milliseconds for guards to decide; undefined for any time. */
  #patience: number | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  note(response: HttpResponse): void {
    if (this.#patience !== undefined) this.#limit(response, this.#patience);
    this.#positions.set(response, this.#now());
    if (this.#positions.size >= this.#bound) this.#forgetAnswered();
  }

  /** Gives the position, and forgets it; the present one if nobody has noted any. */
  claim(response: HttpResponse): StreamPosition {
    const position = this.#positions.get(response);
    this.#positions.delete(response);
    return position ?? this.#now();
  }

  /** Resolves when all that are there now have been answered. */
  async whenAnswered(): Promise<void> {
    this.#forgetAnswered();
    const answered = [...this.#positions.keys()].map(
      (response) => new Promise<void>((resolve) => response.once('close', resolve)),
    );
    await Promise.all(answered);
  }

  /**
   * From now on guards have to decide within some time.
   *
   * @param patience milliseconds
   */
  limit(patience: number): void {
    this.#patience = patience;
    for (const response of this.#positions.keys()) this.#limit(response, patience);
  }

  #limit(response: HttpResponse, patience: number): void {
    const timer = setTimeout(() => {
      if (this.#positions.has(response)) breakOff(response);
    }, patience).unref();
    response.once('close', () => clearTimeout(timer));
  }

  /** Looking from time to time costs less than a listener on each response. */
  #forgetAnswered(): void {
    for (const response of this.#positions.keys()) {
      if (response.writableEnded || isGone(response)) this.#positions.delete(response);
    }
    this.#bound = Math.max(LEAST, this.#positions.size * 2);
  }

  #now(): StreamPosition {
    const { epoch, head: offset } = this.#log;
    if (this.#last.epoch !== epoch || this.#last.offset !== offset) this.#last = { epoch, offset };
    return this.#last;
  }
}
