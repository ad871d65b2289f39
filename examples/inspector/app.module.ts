import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { SseInspectorModule } from 'nestjs-event-stream/inspector';
import { AdminGuard } from './admin.guard.js';
import { NewsController } from './news.controller.js';

@Module({
  imports: [
    SseModule.forRoot(),
    SseInspectorModule.forRoot({ path: '/_events', guard: AdminGuard }),
  ],
  controllers: [NewsController],
})
export class AppModule {}
