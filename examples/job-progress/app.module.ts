import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { JobsController } from './jobs.controller.js';
import { Jobs } from './jobs.js';

@Module({ imports: [SseModule.forRoot()], controllers: [JobsController], providers: [Jobs] })
export class AppModule {}
