import type { ConnectionOptions } from './options.js';

/** What the time asks of a connection. */
export type Due = 'lifetime' | 'headers' | 'stalled' | 'heartbeat';

/** What of an outbox shows whether anybody takes anything. */
interface Progress {
  readonly sent: number;
  readonly isBehind: boolean;
  hasMoved(): boolean;
}

/** Looks at the time for one connection: when its headers are due, a heartbeat, or its end. */
export class ConnectionClock {
  /** Of the monotonic clock, in milliseconds, as all times here. */
  readonly since: number;
  readonly #endsAt: number | undefined;
  /** When something was last seen to be written; while behind, when the client last took anything. */
  #lastWriteAt: number;
  /** Bytes that had been written then. */
  #sentBefore = 0;

  constructor(now: number, { maxLifetime }: ConnectionOptions) {
    this.since = this.#lastWriteAt = now;
    // Those that came together do not leave together.
    const lifetime = maxLifetime === false ? false : maxLifetime * (1 - Math.random() / 10);
    this.#endsAt = lifetime === false ? undefined : now + Math.round(lifetime);
  }

  /** `openTimeout` begins anew. */
  restart(now: number): void {
    this.#lastWriteAt = now;
  }

  /** @param isLate whether it is too late to see whether anybody took anything meanwhile */
  due(
    now: number,
    isLate: boolean,
    isOpen: boolean,
    outbox: Progress,
    { openTimeout, stallTimeout, heartbeatInterval }: ConnectionOptions,
  ): Due | undefined {
    const { sent } = outbox;
    if (sent !== this.#sentBefore) this.#lastWriteAt = now;
    this.#sentBefore = sent;
    const quiet = now - this.#lastWriteAt;
    if (this.#endsAt !== undefined && now >= this.#endsAt) return 'lifetime';
    if (!isOpen) return quiet >= openTimeout ? 'headers' : undefined;
    if (outbox.isBehind) {
      if (outbox.hasMoved()) this.#lastWriteAt = now;
      else if (stallTimeout !== false && quiet >= stallTimeout && !isLate) return 'stalled';
      return undefined;
    }
    return heartbeatInterval !== false && quiet >= heartbeatInterval ? 'heartbeat' : undefined;
  }
}
