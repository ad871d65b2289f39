import { isBefore } from '../log/cursor.js';
import { CatchUps } from './catch-ups.js';
import type { RedisPosition } from './position.js';

interface Mark {
  readonly position: RedisPosition;
  /** On the monotonic clock. */
  readonly since: number;
}

/**
 * The furthest position that this instance knows of, because it has read it or because Redis took an event of
 * its own there: a log that ends before it has lost events. And how far behind it the instance is.
 */
export class LogEnd {
  readonly catchUps = new CatchUps();
  #position: RedisPosition = { epoch: '', offset: 0, id: '' };
  #reached = this.#position;
  /** The oldest position, as far as it matters, that is known of and has not been reached; and the newest. */
  #oldest: Mark | undefined;
  #newest: Mark | undefined;

  get position(): RedisPosition {
    return this.#position;
  }

  /** Events that are known of and have not been read. */
  get lagEvents(): number {
    const { epoch, offset } = this.#position;
    return epoch === this.#reached.epoch ? Math.max(offset - this.#reached.offset, 0) : offset;
  }

  /** For how long, in milliseconds, the oldest of them has been known of. */
  get lagMs(): number {
    return this.#oldest === undefined ? 0 : Math.round(performance.now() - this.#oldest.since);
  }

  /** Redis says that the log ends here. @param look its number, see {@link CatchUps} */
  observe(position: RedisPosition, look: number): void {
    this.#advance(position);
    this.catchUps.endLook(look, position);
    this.catchUps.reach(this.#reached);
    if (!isBefore(this.#reached, position)) return;
    this.#newest = { position, since: performance.now() };
    this.#oldest ??= this.#newest;
  }

  /** This instance has read up to here. */
  reach(position: RedisPosition): void {
    this.#advance(position);
    this.#reached = position;
    this.catchUps.reach(position);
    if (this.#oldest === undefined || isBefore(position, this.#oldest.position)) return;
    const { position: newest } = this.#newest ?? this.#oldest;
    this.#oldest = isBefore(position, newest) ? this.#newest : undefined;
  }

  #advance(position: RedisPosition): void {
    if (isBefore(this.#position, position)) this.#position = position;
  }
}
