import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { SseRunsModule } from 'nestjs-event-stream/runs';
import { AnswersController } from './answers.controller.js';
import { LanguageModel } from './language-model.js';

@Module({
  imports: [SseModule.forRoot(), SseRunsModule.forRoot({ keepFor: 600_000 })],
  controllers: [AnswersController],
  providers: [LanguageModel],
})
export class AppModule {}
