import { EventsHandler, type IEventHandler } from '@nestjs/cqrs';
import { SseEventBus } from 'nestjs-event-stream';

export class OrderShipped {
  constructor(
    readonly orderId: string,
    readonly userId: string,
  ) {}
}

@EventsHandler(OrderShipped)
export class TellOrderShipped implements IEventHandler<OrderShipped> {
  constructor(private readonly bus: SseEventBus) {}

  async handle({ orderId, userId }: OrderShipped): Promise<void> {
    await this.bus.publish(`user.${userId}`, { type: 'order-shipped', data: { orderId } });
  }
}
