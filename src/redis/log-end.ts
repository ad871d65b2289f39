import { isBefore } from '../log/cursor.js';
import { CatchUps } from './catch-ups.js';
import type { RedisPosition } from './position.js';

interface Mark {
  readonly place: RedisPosition;
  /** On the monotonic clock. */
  readonly since: number;
}

/**
 * The furthest place that this instance knows of, because it has read it or because Redis took an event of
 * its own there: a log that ends before it has lost events. And how far behind it the instance is.
 */
export class LogEnd {
  readonly catchUps = new CatchUps();
  #place: RedisPosition = { epoch: '', offset: 0, id: '' };
  #reached = this.#place;
  /** The oldest place, as far as it matters, that is known of and has not been reached; and the newest. */
  #oldest: Mark | undefined;
  #newest: Mark | undefined;

  get place(): RedisPosition {
    return this.#place;
  }

  /** Events that are known of and have not been read. */
  get lagEvents(): number {
    const { epoch, offset } = this.#place;
    return epoch === this.#reached.epoch ? Math.max(offset - this.#reached.offset, 0) : offset;
  }

  /** For how long, in milliseconds, the oldest of them has been known of. */
  get lagMs(): number {
    return this.#oldest === undefined ? 0 : Math.round(performance.now() - this.#oldest.since);
  }

  /** Redis says that the log ends here. @param look its number, see {@link CatchUps} */
  observe(place: RedisPosition, look: number): void {
    this.#advance(place);
    this.catchUps.endLook(look, place);
    this.catchUps.reach(this.#reached);
    if (!isBefore(this.#reached, place)) return;
    this.#newest = { place, since: performance.now() };
    this.#oldest ??= this.#newest;
  }

  /** This instance has read up to here. */
  reach(place: RedisPosition): void {
    this.#advance(place);
    this.#reached = place;
    this.catchUps.reach(place);
    if (this.#oldest === undefined || isBefore(place, this.#oldest.place)) return;
    const { place: newest } = this.#newest ?? this.#oldest;
    this.#oldest = isBefore(place, newest) ? this.#newest : undefined;
  }

  #advance(place: RedisPosition): void {
    if (isBefore(this.#place, place)) this.#place = place;
  }
}
