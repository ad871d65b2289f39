import { Body, Controller, type MessageEvent, RequestMethod, Sse } from '@nestjs/common';
import { from, map, type Observable } from 'rxjs';
import { LanguageModel } from './language-model.js';

@Controller('answers')
export class AnswersController {
  constructor(private readonly model: LanguageModel) {}

  @Sse('', { method: RequestMethod.POST })
  answer(@Body() body: { question: string }): Observable<MessageEvent> {
    return from(this.model.tokens(body.question)).pipe(
      map((token) => ({ type: 'token', data: token })),
    );
  }
}
