import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { SseMetricsModule } from 'nestjs-event-stream/metrics';
import { NewsController } from './news.controller.js';

@Module({
  imports: [SseModule.forRoot(), SseMetricsModule.forRoot()],
  controllers: [NewsController],
})
export class TelemetryModule {}
