import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { SseInspectorModule } from 'nestjs-event-stream/inspector';

@Module({ imports: [SseModule.forRoot(), SseInspectorModule.forRoot()] })
export class LocalModule {}
