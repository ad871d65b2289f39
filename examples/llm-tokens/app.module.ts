import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { AnswersController } from './answers.controller.js';
import { Answers } from './answers.js';
import { LanguageModel } from './language-model.js';
import { LastingAnswersController } from './lasting-answers.controller.js';

@Module({
  imports: [SseModule.forRoot()],
  controllers: [AnswersController, LastingAnswersController],
  providers: [Answers, LanguageModel],
})
export class AppModule {}
