import { Controller, type MessageEvent, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import type { Observable } from 'rxjs';
import { Orders } from './orders.js';

@Controller('orders')
export class OrdersController {
  constructor(
    private readonly bus: EventBus,
    private readonly orders: Orders,
  ) {}

  @Sse()
  changes(): Observable<MessageEvent> {
    return this.bus.stream('orders', {
      snapshot: async () => [{ type: 'orders', data: await this.orders.all() }],
    });
  }
}
