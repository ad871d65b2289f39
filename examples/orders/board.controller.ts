import { Controller, Get, type MessageEvent, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import type { Observable } from 'rxjs';
import { Orders } from './orders.js';

@Controller('board')
export class BoardController {
  constructor(
    private readonly bus: EventBus,
    private readonly orders: Orders,
  ) {}

  @Get()
  async state(): Promise<object> {
    const { head } = this.bus;
    return { orders: await this.orders.all(), lastEventId: head };
  }

  @Sse('changes')
  changes(): Observable<MessageEvent> {
    return this.bus.stream('orders');
  }
}
