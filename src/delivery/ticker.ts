import type { ConnectionOptions } from './options.js';

/** The one timer of all connections, and the time as they know it. */
export class Ticker {
  #now = wholeMilliseconds();
  #timer: NodeJS.Timeout | undefined;
  /** Milliseconds between two ticks: as often as the most impatient of the open connections needs. */
  #interval = Infinity;
  readonly #onTick: (isLate: boolean) => void;

  /** @param onTick told whether the tick comes too late to see what was done in time */
  constructor(onTick: (isLate: boolean) => void) {
    this.#onTick = onTick;
  }

  /** Whole milliseconds, of the last tick: close enough for timeouts, and free. */
  get now(): number {
    return this.#now;
  }

  /** Ticks as often as one more connection needs. */
  start(options: ConnectionOptions): void {
    this.#now = wholeMilliseconds();
    const interval = intervalFor(options);
    if (interval >= this.#interval) return;
    clearInterval(this.#timer);
    this.#interval = interval;
    this.#timer = setInterval(() => this.#tick(), interval).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#interval = Infinity;
  }

  #tick(): void {
    const before = this.#now;
    this.#now = wholeMilliseconds();
    this.#onTick(this.#now - before > this.#interval * 2);
  }
}

/** On the monotonic clock; whole, because a connection keeps small integers without further memory. */
function wholeMilliseconds(): number {
  return Math.floor(performance.now());
}

/** Close enough for each of the times. */
function intervalFor(options: ConnectionOptions): number {
  const { heartbeatInterval, stallTimeout, openTimeout, maxLifetime } = options;
  const times = [heartbeatInterval, stallTimeout, openTimeout, maxLifetime];
  const shortest = Math.min(...times.filter((time) => time !== false));
  return Math.min(Math.max(shortest / 4, 5), 1_000);
}
