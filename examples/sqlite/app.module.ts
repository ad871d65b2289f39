import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { sqliteBackplane } from 'nestjs-event-stream/sqlite';
import { NewsController } from './news.controller.js';

@Module({
  imports: [
    SseModule.forRootAsync({
      useFactory: () => ({
        backplane: sqliteBackplane({ path: process.env['SSE_FILE'] ?? 'events.db' }),
      }),
    }),
  ],
  controllers: [NewsController],
})
export class AppModule {}
