import { Body, Controller, type MessageEvent, Param, Post, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import type { Observable } from 'rxjs';

@Controller('users/:id/inbox')
export class InboxController {
  constructor(private readonly bus: EventBus) {}

  @Post()
  async add(@Param('id') id: string, @Body() { text }: { text: string }): Promise<void> {
    await this.bus.publish(`user.${id}`, { type: 'message', data: { text } });
  }

  /** All that there ever was, or first a gap that says it is not. */
  @Sse()
  inbox(@Param('id') id: string): Observable<MessageEvent> {
    return this.bus.stream(`user.${id}`, { from: 'start' });
  }

  /** The last two, or as many as there are: fewer are no gap. */
  @Sse('latest')
  latest(@Param('id') id: string): Observable<MessageEvent> {
    return this.bus.stream(`user.${id}`, { from: { last: 2 } });
  }
}
