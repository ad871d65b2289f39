import { Controller, type MessageEvent, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import type { Observable } from 'rxjs';

@Controller('news')
export class NewsController {
  constructor(private readonly bus: EventBus) {}

  @Sse()
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }
}
