import { Module } from '@nestjs/common';
import { SseModule } from 'nestjs-event-stream';
import { AnswersController } from './answers.controller.js';
import { Answers } from './answers.js';
import { LanguageModel } from './language-model.js';
import { LastingAnswersController } from './lasting-answers.controller.js';

@Module({
  imports: [
    SseModule.forRoot({
      // Other answers, at a thousand tokens a second, do not push the beginning of this one out.
      history: { topics: [{ match: 'answer.*', keepFor: 600_000 }] },
    }),
  ],
  controllers: [AnswersController, LastingAnswersController],
  providers: [Answers, LanguageModel],
})
export class AppModule {}
