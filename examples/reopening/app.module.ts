import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { NewsController } from './news.controller.js';

@Module({
  imports: [SseModule.forRoot({ retry: { min: 500, max: 1_000 } })],
  controllers: [NewsController],
})
export class AppModule {}
