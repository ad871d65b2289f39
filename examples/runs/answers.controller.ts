import { Body, Controller, Delete, type MessageEvent, Param, Post, Sse } from '@nestjs/common';
import { type RunInfo, SseRuns } from 'nestjs-event-stream/runs';
import type { Observable } from 'rxjs';
import { LanguageModel } from './language-model.js';

@Controller('answers')
export class AnswersController {
  constructor(
    private readonly runs: SseRuns,
    private readonly model: LanguageModel,
  ) {}

  @Post(':id')
  ask(@Param('id') id: string, @Body() { question }: { question: string }): Promise<RunInfo> {
    return this.runs.start(`answer.${id}`, ({ signal }) => this.model.tokens(question, signal));
  }

  @Sse(':id')
  answer(@Param('id') id: string): Observable<MessageEvent> {
    return this.runs.stream(`answer.${id}`);
  }

  @Delete(':id')
  stop(@Param('id') id: string): Promise<RunInfo | undefined> {
    return this.runs.stop(`answer.${id}`);
  }
}
