import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { ClusterModule } from './cluster.module.js';
import { BackplaneHealthIndicator, HealthController } from './health.controller.js';
import { NewsController } from './news.controller.js';

@Module({
  imports: [ClusterModule, TerminusModule],
  controllers: [NewsController, HealthController],
  providers: [BackplaneHealthIndicator],
})
export class AppModule {}
