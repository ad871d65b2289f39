import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { BoardController } from './board.controller.js';
import { OrdersController } from './orders.controller.js';
import { Orders } from './orders.js';
import { PaymentsController } from './payments.controller.js';

@Module({
  imports: [SseModule.forRoot()],
  controllers: [OrdersController, BoardController, PaymentsController],
  providers: [Orders],
})
export class AppModule {}
