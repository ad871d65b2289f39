import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { SsePrometheusModule } from 'nestjs-event-stream/metrics/prometheus';
import { MetricsController } from './metrics.controller.js';
import { NewsController } from './news.controller.js';

@Module({
  imports: [SseModule.forRoot(), SsePrometheusModule.forRoot()],
  controllers: [MetricsController, NewsController],
})
export class AppModule {}
