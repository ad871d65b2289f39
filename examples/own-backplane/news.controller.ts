import { Body, Controller, type MessageEvent, Post, Sse } from '@nestjs/common';
import { type Cursor, EventBus } from 'nestjs-event-stream';
import type { Observable } from 'rxjs';

@Controller('news')
export class NewsController {
  constructor(private readonly bus: EventBus) {}

  @Sse()
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Post()
  async add(@Body() { text }: { text: string }): Promise<{ id: Cursor }> {
    return { id: await this.bus.publish('news', { type: 'headline', data: { text } }) };
  }
}
