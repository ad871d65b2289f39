import type { HttpResponse } from '../delivery/http.js';
import type { StreamPosition } from '../log/cursor.js';
import type { Log } from '../log/log.js';

/** Where the log was when requests arrived, before their guards were asked. */
export class Arrivals {
  readonly #positions = new WeakMap<HttpResponse, StreamPosition>();
  readonly #log: Log;
  /** Requests that arrive between two events share it. */
  #last: StreamPosition = { epoch: '', offset: 0 };

  constructor(log: Log) {
    this.#log = log;
  }

  note(response: HttpResponse): void {
    this.#positions.set(response, this.#now());
  }

  /** Gives the position, and forgets it; the present one if nobody has noted any. */
  claim(response: HttpResponse): StreamPosition {
    const position = this.#positions.get(response);
    this.#positions.delete(response);
    return position ?? this.#now();
  }

  #now(): StreamPosition {
    const { epoch, head: offset } = this.#log;
    if (this.#last.epoch !== epoch || this.#last.offset !== offset) this.#last = { epoch, offset };
    return this.#last;
  }
}
