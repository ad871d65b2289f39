import { Logger } from '@nestjs/common';
import type { Subscription } from 'rxjs';
import type { EventBus } from '../bus/event-bus.js';
import { Publication } from '../bus/publication.js';
import type { Connections } from '../delivery/connections.js';
import {
  type Order,
  type OrderPort,
  ORDERS_TOPIC,
  parseOrder,
  type OrderInLog,
} from '../delivery/orders.js';
import { renderError } from '../errors.js';
import type { ResolvedLimits } from './limit-options.js';
import { parseCursor } from '../log/cursor.js';
import type { SseEvent } from '../log/event.js';
import type { TurnScheduler } from '../log/turn-scheduler.js';

/** What instances tell each other through the log: each does it when it reads it, in the log's order. */
export class Control implements OrderPort {
  readonly #bus: EventBus;
  readonly #connections: Connections;
  readonly #logger = new Logger('SseConnections');
  readonly #subscription: Subscription;
  #pending: OrderInLog[] = [];
  #closeLimits: (() => Promise<void>) | undefined;

  constructor(bus: EventBus, turn: TurnScheduler, connections: Connections) {
    this.#bus = bus;
    this.#connections = connections;
    // At the end of the round: what was published before an order goes out before it.
    turn.onEnd(() => this.#obeyPending());
    this.#subscription = bus.follow(ORDERS_TOPIC).subscribe((event) => this.#read(event));
  }

  publish(order: Order): Promise<void> {
    const ordered = this.#bus.publishInternal(ORDERS_TOPIC, order).then(() => {});
    return new Publication(ordered, (error) =>
      this.#logger.error('An order that nobody awaited failed', renderError(error)),
    );
  }

  /**
   * From now on nobody has more connections than that.
   *
   * @param isAlone whether there is no other instance to ask
   */
  async limit(options: ResolvedLimits, isAlone: boolean): Promise<void> {
    // Loaded by who needs it.
    const { Limits, LIMITS_TOPIC } = await import('./limits.js');
    const { LogRegistryPort } = await import('./registry-port.js');
    const { instance } = this.#connections;
    const port = isAlone ? undefined : new LogRegistryPort(this.#bus, LIMITS_TOPIC, instance);
    const limits = new Limits(options, port);
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

  #read({ id, type, data }: SseEvent): void {
    if (type === 'gap') {
      this.#logger.warn(
        'Orders to close connections may have been lost with a part of the log: connections whose owner is ' +
          'known end, and their clients pass the guards anew',
      );
      this.#connections.onOrdersLost();
      return;
    }
    const position = parseCursor(id ?? '');
    const order = parseOrder(data);
    if (order === undefined || position === undefined) {
      this.#logger.warn(
        'An order of another version of nestjs-event-stream is not known, and not obeyed',
      );
    } else {
      this.#pending.push({ ...order, position });
    }
  }

  #obeyPending(): void {
    if (this.#pending.length === 0) return;
    for (const order of this.#pending.splice(0)) this.#connections.obey(order);
  }
}
