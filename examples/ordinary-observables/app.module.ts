import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { ClockController } from './clock.controller.js';

@Module({ imports: [SseModule.forRoot()], controllers: [ClockController] })
export class AppModule {}
