import {
  Body,
  Controller,
  Delete,
  type MessageEvent,
  Param,
  RequestMethod,
  Sse,
} from '@nestjs/common';
import type { UIMessage } from 'ai';
import { type RunInfo, SseRuns } from 'nestjs-event-stream/runs';
import { LanguageModel } from './language-model.js';

@Controller('api/chat')
export class ChatController {
  constructor(
    private readonly runs: SseRuns,
    private readonly model: LanguageModel,
  ) {}

  @Sse('', { method: RequestMethod.POST })
  async send(
    @Body() { id, messages }: { id: string; messages: UIMessage[] },
  ): Promise<AsyncIterable<MessageEvent>> {
    const answer = ({ signal }: { signal: AbortSignal }) => this.model.answer(messages, signal);
    await this.runs.start(`chat.${id}`, answer, { onExisting: 'replace' });
    return this.runs.stream(`chat.${id}`, { as: 'ai-sdk' });
  }

  @Sse(':id/stream')
  resume(@Param('id') id: string): AsyncIterable<MessageEvent> {
    return this.runs.stream(`chat.${id}`, { as: 'ai-sdk' });
  }

  @Delete(':id')
  stop(@Param('id') id: string): Promise<RunInfo | undefined> {
    return this.runs.stop(`chat.${id}`);
  }
}
