import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { z } from 'zod';
import { QuotesController } from './quotes.controller.js';

@Module({
  imports: [SseModule.forRoot({ events: { price: z.object({ cents: z.number() }) } })],
  controllers: [QuotesController],
})
export class AppModule {}
