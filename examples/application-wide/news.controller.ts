import { Controller, Get, type MessageEvent, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import type { Observable } from 'rxjs';

@Controller('news')
export class NewsController {
  constructor(private readonly bus: EventBus) {}

  @Get()
  latest(): { id: string } {
    return { id: this.bus.head };
  }

  @Sse('stream')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }
}
