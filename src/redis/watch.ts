import { isBefore } from '../log/cursor.js';
import type { RedisPosition } from './position.js';
import type { Publisher } from './publisher.js';
import { BLOCK, type Tail } from './tail.js';

/**
 * Looks after the tail. A connection can be alive and deaf: to a server that no longer gets the events, or
 * that answers nobody. So where the log ends is asked, now and then, over the connection that publishes.
 */
export class Watch {
  readonly #tail: Tail;
  readonly #publisher: Publisher;
  readonly #patience: number;
  readonly #restart: (why: string) => void;
  readonly #timer: NodeJS.Timeout;
  /** Where the tail stood when it was last found to be behind. */
  #behindAt: RedisPosition | undefined;
  #isLooking = false;

  /** @param patience milliseconds after its own end that a read may take */
  constructor(
    tail: Tail,
    publisher: Publisher,
    times: { readonly interval: number; readonly patience: number },
    restart: (why: string) => void,
  ) {
    this.#tail = tail;
    this.#publisher = publisher;
    this.#patience = times.patience;
    this.#restart = restart;
    this.#timer = setInterval(() => void this.#look(), times.interval).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const { readingSince } = this.#tail;
    if (readingSince === undefined) return;
    if (performance.now() - readingSince > BLOCK + this.#patience) {
      this.#restart('Redis does not answer the connection that reads');
      return;
    }
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const { end } = await this.#publisher.check();
      this.#compare(end);
    } catch {
      // Told by whoever asked: a refusal by the publisher, a connection that is given up by its link.
    } finally {
      this.#isLooking = false;
    }
  }

  #compare(end: RedisPosition): void {
    const { at, readingSince } = this.#tail;
    if (at === undefined || readingSince === undefined) return;
    const isBehind = isBefore(at, end);
    const isStuck = at.epoch !== end.epoch || this.#behindAt === at;
    this.#behindAt = isBehind ? at : undefined;
    if (isBehind && isStuck)
      this.#restart('The connection that reads has not been told everything');
  }
}
