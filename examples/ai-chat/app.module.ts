import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { SseRunsModule } from 'nestjs-event-stream/runs';
import { ChatController } from './chat.controller.js';
import { LanguageModel } from './language-model.js';
import { PageController } from './page.controller.js';

@Module({
  imports: [
    SseModule.forRootAsync({
      useFactory: () => {
        const url = process.env['REDIS_URL'];
        // Without it, in memory: for one instance.
        return url === undefined ? {} : { backplane: redisBackplane({ url }) };
      },
    }),
    SseRunsModule.forRoot({ keepFor: 600_000, lease: 3_000, drain: { runs: 'stop' } }),
  ],
  controllers: [ChatController, PageController],
  providers: [LanguageModel],
})
export class AppModule {}
