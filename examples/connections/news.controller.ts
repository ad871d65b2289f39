import { Controller, type MessageEvent, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import { map, type Observable } from 'rxjs';

@Controller('news')
export class NewsController {
  constructor(private readonly bus: EventBus) {}

  @Sse()
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  /** Fails at the first event without a text, when it is too late for an exception filter. */
  @Sse('texts')
  texts(): Observable<MessageEvent> {
    return this.bus.stream('news').pipe(
      map(({ data }) => {
        if (typeof data !== 'string') throw new Error('An event without a text');
        return { data };
      }),
    );
  }
}
