import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { PricesController } from './prices.controller.js';

@Module({ imports: [SseModule.forRoot()], controllers: [PricesController] })
export class AppModule {}
