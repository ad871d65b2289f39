import { type MiddlewareConsumer, Module, type NestModule, RequestMethod } from '@nestjs/common';
import { type Backplane, SseModule, type SseModuleOptions } from 'nestjs-event-stream';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { sqliteBackplane } from 'nestjs-event-stream/sqlite';
import { ClockController } from './clock.controller.js';
import { ClockService } from './clock.service.js';
import { JobsController } from './jobs.controller.js';
import { JobsService } from './jobs.service.js';
import { PageMiddleware } from './page.middleware.js';

function sseOptions(): SseModuleOptions {
  return {
    // Long enough for a dropped connection to have something to catch up on.
    retry: { min: 2_000, max: 3_000 },
    backplane: backplane(),
  };
}

/** In memory, unless there is a Redis for several instances, or a file that outlives this one. */
function backplane(): Backplane | undefined {
  const { REDIS_URL: url, SSE_FILE: path } = process.env;
  if (url !== undefined) {
    return redisBackplane({ url, key: 'nestjs-event-stream-sample', waitForRedis: true });
  }
  return path === undefined ? undefined : sqliteBackplane({ path });
}

@Module({
  imports: [SseModule.forRootAsync({ useFactory: sseOptions })],
  controllers: [ClockController, JobsController],
  providers: [ClockService, JobsService],
})
export class AppModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(PageMiddleware).forRoutes({ path: '/', method: RequestMethod.GET });
  }
}
