import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { SseHealthIndicator } from 'nestjs-event-stream/terminus';
import { ClusterModule } from './cluster.module.js';
import { HealthController } from './health.controller.js';
import { NewsController } from './news.controller.js';

@Module({
  imports: [ClusterModule, TerminusModule],
  controllers: [NewsController, HealthController],
  providers: [SseHealthIndicator],
})
export class AppModule {}
