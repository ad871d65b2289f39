import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { LinesController } from './lines.controller.js';
import { TickerController } from './ticker.controller.js';
import { Translator } from './translator.js';

@Module({
  imports: [SseModule.forRoot()],
  controllers: [TickerController, LinesController],
  providers: [Translator],
})
export class AppModule {}
