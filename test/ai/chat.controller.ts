import {
  Body,
  Controller,
  Delete,
  type MessageEvent,
  Param,
  Query,
  RequestMethod,
  Sse,
} from '@nestjs/common';
import { type RunFactory, type RunInfo, type RunSource, SseRuns } from 'nestjs-event-stream/runs';

/** What `POST /chat` starts, for each chat. */
export const answers = new Map<string, RunSource | RunFactory>();

/** The two routes that `useChat()` asks, one to stop, and those of OpenAI's protocol. */
@Controller()
export class ChatController {
  constructor(private readonly runs: SseRuns) {}

  @Sse('chat', { method: RequestMethod.POST })
  async send(@Body() { id }: { id: string }): Promise<AsyncIterable<MessageEvent>> {
    const answer = answers.get(id) ?? [];
    await this.runs.start(id, answer as RunSource, { onExisting: 'replace' });
    return this.runs.stream(id, { as: 'ai-sdk' });
  }

  @Sse('chat/:id/stream')
  resume(@Param('id') id: string): AsyncIterable<MessageEvent> {
    return this.runs.stream(id, { as: 'ai-sdk' });
  }

  @Delete('chat/:id')
  stop(@Param('id') id: string): Promise<RunInfo | undefined> {
    return this.runs.stop(id);
  }

  @Sse('responses/:id')
  response(
    @Param('id') id: string,
    @Query('starting_after') startingAfter?: string,
  ): AsyncIterable<MessageEvent> {
    return this.runs.stream(id, { as: 'openai', startingAfter });
  }
}
