import { Injectable } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';

export interface Order {
  readonly id: number;
  readonly state: 'open' | 'paid';
}

/** Stands for a database. */
@Injectable()
export class Orders {
  readonly #orders = new Map<number, Order>([[7, { id: 7, state: 'open' }]]);

  constructor(private readonly bus: EventBus) {}

  async all(): Promise<Order[]> {
    return [...this.#orders.values()];
  }

  /** Changes the state, and then says so: an event is about what is there. */
  async set(order: Order): Promise<void> {
    this.#orders.set(order.id, order);
    await this.bus.publish('orders', { type: 'order', key: String(order.id), data: order });
  }
}
