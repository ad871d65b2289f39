import { Body, Controller, type MessageEvent, Param, Post, Sse } from '@nestjs/common';
import { EventBus } from '@nestjs/cqrs';
import { SseEventBus } from 'nestjs-event-stream';
import type { Observable } from 'rxjs';
import { OrderShipped } from './tell-order-shipped.handler.js';

@Controller()
export class OrdersController {
  constructor(
    private readonly events: EventBus,
    private readonly bus: SseEventBus,
  ) {}

  @Post('orders/:id/ship')
  ship(@Param('id') id: string, @Body() { userId }: { userId: string }): void {
    this.events.publish(new OrderShipped(id, userId));
  }

  @Sse('users/:id/events')
  stream(@Param('id') id: string): Observable<MessageEvent> {
    return this.bus.stream(`user.${id}`);
  }
}
