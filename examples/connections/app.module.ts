import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { ConnectionsController } from './connections.controller.js';
import { LateErrors } from './late-errors.service.js';
import { NewsController } from './news.controller.js';

@Module({
  imports: [SseModule.forRoot()],
  controllers: [ConnectionsController, NewsController],
  providers: [LateErrors],
})
export class AppModule {}
