import { Logger } from '@nestjs/common';
import type { Subscription } from 'rxjs';
import type { EventBus } from '../bus/event-bus.js';
import { Publication } from '../bus/publication.js';
import type { Connections } from '../delivery/connections.js';
import { type Order, type OrderPort, ORDERS_TOPIC } from '../delivery/orders.js';
import { renderError } from '../errors.js';
import type { ResolvedLimits } from './limit-options.js';
import type { StreamPosition } from '../log/cursor.js';
import type { TurnScheduler } from '../log/turn-scheduler.js';

/** What instances tell each other through the log: each does it when it reads it, in the log's order. */
export class Control implements OrderPort {
  readonly #bus: EventBus;
  readonly #connections: Connections;
  readonly #logger = new Logger('SseConnections');
  readonly #subscription: Subscription;
  /** Up to where orders have been carried out. */
  #position: StreamPosition;
  #closeLimits: (() => Promise<void>) | undefined;

  constructor(bus: EventBus, turn: TurnScheduler, connections: Connections) {
    this.#bus = bus;
    this.#connections = connections;
    this.#position = connections.orders.position;
    // At once: what is published before an order goes out before it, and what is published after it does not. What
    // one of a round's readers has ordered waits for the others of the round.
    this.#subscription = bus.changes(ORDERS_TOPIC).subscribe(() => {
      if (!turn.isRunning) this.#obeyNew();
    });
    this.#subscription.add(turn.onEnd(() => this.#obeyNew()));
  }

  publish(order: Order): Promise<void> {
    const ordered = this.#bus.publishInternal(ORDERS_TOPIC, order).then(() => {});
    return Publication.of(ordered, (error) =>
      this.#logger.error('An order that nobody awaited failed', renderError(error)),
    );
  }

  /**
   * From now on nobody has more connections than that.
   *
   * @param isAlone whether there is no other instance to ask
   * @param isIdentified whether `identify` says who has no owner
   */
  async limit(options: ResolvedLimits, isAlone: boolean, isIdentified: boolean): Promise<void> {
    // Loaded by who needs it.
    const { Limits, LIMITS_TOPIC } = await import('./limits.js');
    const { LogRegistryPort } = await import('./registry-port.js');
    const { instance } = this.#connections;
    const port = isAlone ? undefined : new LogRegistryPort(this.#bus, LIMITS_TOPIC, instance);
    const limits = new Limits(options, port, isIdentified);
    this.#connections.limits = limits;
    this.#closeLimits = async () => {
      await limits.close();
      port?.close();
    };
  }

  async close(): Promise<void> {
    this.#subscription.unsubscribe();
    await this.#closeLimits?.();
  }

  #obeyNew(): void {
    const { orders } = this.#connections;
    const before = this.#position;
    if (orders.isAt(before)) return;
    const haveLost = orders.haveLost(before);
    this.#position = orders.position;
    if (haveLost) this.#onLost();
    for (const order of orders.after(before)) {
      if (order !== undefined) this.#connections.obey(order);
      else {
        this.#logger.warn(
          'An order of another version of nestjs-event-stream is not known, and not obeyed',
        );
      }
    }
  }

  #onLost(): void {
    this.#logger.warn(
      'Orders to close connections may have been lost with a part of the log: connections whose owner is ' +
        'known end, and their clients pass the guards anew',
    );
    this.#connections.onOrdersLost();
  }
}
