import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { FeedsController } from './feeds.controller.js';

@Module({ imports: [SseModule.forRoot()], controllers: [FeedsController] })
export class AppModule {}
