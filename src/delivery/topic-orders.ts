import { isBefore, type StreamPosition } from '../log/cursor.js';
import type { Order, OrderInLog } from './orders.js';

/** Topics of which the last order is known. */
const MOST = 10_000;

/**
 * The last order for each topic that this instance has carried out: for streams that open later, on connections that
 * were there. It outlives the tail, and asking it costs a look at one position while nothing was ordered.
 */
export class TopicOrders {
  readonly #latest = new Map<string, OrderInLog>();
  /** The last one of all. */
  #last: StreamPosition | undefined;
  /** Up to here orders may be missing. */
  #lost: StreamPosition | undefined;
  readonly #most: number;

  constructor(most = MOST) {
    this.#most = most;
  }

  add(order: OrderInLog): void {
    if (order.name !== 'topic') return;
    this.#latest.delete(order.value);
    this.#latest.set(order.value, order);
    this.#last = order.position;
    if (this.#latest.size <= this.#most) return;
    for (const [topic, { position }] of this.#latest) {
      this.#latest.delete(topic);
      this.#lost = position;
      return;
    }
  }

  /** Orders before a position may have been lost. */
  onLost(position: StreamPosition): void {
    this.#last = this.#lost = position;
  }

  /**
   * Why a connection that arrived at a position has to end, now that it opens a stream of some topics; undefined if it
   * need not.
   */
  reasonToEnd(arrival: StreamPosition, topics: readonly string[]): Order['reason'] | undefined {
    if (this.#last === undefined || !isBefore(arrival, this.#last)) return undefined;
    if (this.#lost !== undefined && isBefore(arrival, this.#lost)) return 'expired';
    for (const topic of topics) {
      const order = this.#latest.get(topic);
      if (order !== undefined && isBefore(arrival, order.position)) return order.reason;
    }
    return undefined;
  }
}
