import { Body, Controller, type MessageEvent, RequestMethod, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import type { Observable } from 'rxjs';
import { Answers } from './answers.js';

@Controller('lasting-answers')
export class LastingAnswersController {
  constructor(
    private readonly bus: EventBus,
    private readonly answers: Answers,
  ) {}

  @Sse('', { method: RequestMethod.POST })
  answer(@Body() { id, question }: { id: string; question: string }): Observable<MessageEvent> {
    this.answers.begin(id, question);
    return this.bus.stream(`answer.${id}`, {
      from: 'start',
      until: ({ type }) => type === 'done',
    });
  }
}
