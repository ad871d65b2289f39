import { Body, Controller, Get, type MessageEvent, Param, Post, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import { type PresenceList, SsePresence } from 'nestjs-event-stream/presence';
import { merge, type Observable } from 'rxjs';

@Controller('rooms/:id')
export class RoomsController {
  constructor(
    private readonly bus: EventBus,
    private readonly presence: SsePresence,
  ) {}

  @Sse()
  room(@Param('id') id: string): Observable<MessageEvent> {
    const topic = `room.${id}`;
    return merge(this.bus.stream(topic), this.presence.stream(topic));
  }

  @Post('messages')
  async say(@Param('id') id: string, @Body() { text }: { text: string }): Promise<void> {
    await this.bus.publish(`room.${id}`, { data: { text } });
  }

  @Get('members')
  members(@Param('id') id: string): Promise<PresenceList> {
    return this.presence.list(`room.${id}`);
  }
}
