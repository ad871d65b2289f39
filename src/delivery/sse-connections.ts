import type { ConnectionInfo, EndReason } from './connection-info.js';
import type { Delivery } from './delivery.js';

/** The open SSE connections of this instance. */
export class SseConnections {
  readonly #delivery: Delivery;

  /** @internal Made by `SseModule`. */
  constructor(delivery: Delivery) {
    this.#delivery = delivery;
  }

  get count(): number {
    return this.#delivery.connections.size;
  }

  /** How many connections have ended since the start, by reason. */
  get ended(): Readonly<Record<EndReason, number>> {
    return { ...this.#delivery.ended };
  }

  list(): ConnectionInfo[] {
    return [...this.#delivery.connections].map(({ info }) => info);
  }

  /**
   * Ends the connections that the predicate selects, or all of them, and says how many. A client that is
   * an `EventSource` comes back; to keep it out, let a guard answer it with 401, 403 or 204.
   *
   * @example connections.close(({ topics }) => topics.includes(`user.${id}`));
   */
  close(predicate: (connection: ConnectionInfo) => boolean = () => true): number {
    const selected = [...this.#delivery.connections].filter(({ info }) => predicate(info));
    for (const connection of selected) connection.end('closed');
    return selected.length;
  }
}
