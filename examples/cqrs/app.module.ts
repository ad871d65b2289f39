import { Module } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { SseModule } from 'nestjs-event-stream';
import { OrdersController } from './orders.controller.js';
import { TellOrderShipped } from './tell-order-shipped.handler.js';

@Module({
  imports: [SseModule.forRoot(), CqrsModule.forRoot()],
  controllers: [OrdersController],
  providers: [TellOrderShipped],
})
export class AppModule {}
