import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { Goodbye } from './goodbye.service.js';
import { NewsController } from './news.controller.js';

@Module({
  imports: [SseModule.forRoot({ drain: { timeout: 3_000 } })],
  controllers: [NewsController],
  providers: [Goodbye],
})
export class AppModule {}
