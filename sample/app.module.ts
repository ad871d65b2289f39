import { type MiddlewareConsumer, Module, type NestModule, RequestMethod } from '@nestjs/common';
import { SseModule, type SseModuleOptions } from 'nestjs-event-stream';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { ClockController } from './clock.controller.js';
import { ClockService } from './clock.service.js';
import { DropService } from './drop.service.js';
import { JobsController } from './jobs.controller.js';
import { JobsService } from './jobs.service.js';
import { PageMiddleware } from './page.middleware.js';

function sseOptions(): SseModuleOptions {
  const { REDIS_URL: url } = process.env;
  return {
    // Long enough for a dropped connection to have something to catch up on.
    retry: { min: 2_000, max: 3_000 },
    backplane:
      url === undefined
        ? undefined
        : redisBackplane({ url, key: 'nestjs-event-stream-sample', waitForRedis: true }),
  };
}

@Module({
  imports: [SseModule.forRootAsync({ useFactory: sseOptions })],
  controllers: [ClockController, JobsController],
  providers: [ClockService, DropService, JobsService],
})
export class AppModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(PageMiddleware).forRoutes({ path: '/', method: RequestMethod.GET });
  }
}
