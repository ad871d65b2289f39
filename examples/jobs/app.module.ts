import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { SseRunsModule } from 'nestjs-event-stream/runs';
import { Jobs } from './jobs.js';
import { JobsController } from './jobs.controller.js';
import { redis } from './redis.js';

@Module({
  imports: [
    SseModule.forRootAsync({
      useFactory: () => ({
        retry: { min: 300, max: 600 },
        backplane: redisBackplane({ url: `redis://${redis.host}:${redis.port}` }),
      }),
    }),
    SseRunsModule.forRoot({ lease: 3_000, drain: { runs: 'stop' } }),
  ],
  controllers: [JobsController],
  providers: [Jobs],
})
export class AppModule {}
