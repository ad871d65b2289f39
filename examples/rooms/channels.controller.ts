import { Controller, type MessageEvent, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import { map, type Observable, share } from 'rxjs';

@Controller('channels')
export class ChannelsController {
  /** One stream for everybody: live, and without ids. */
  readonly #shared: Observable<MessageEvent>;
  /** Cold: each client that is subscribed to it has a stream of its own, which resumes. */
  readonly #news: Observable<MessageEvent>;

  constructor(bus: EventBus) {
    this.#shared = bus.stream('prices').pipe(share());
    this.#news = bus.stream('news').pipe(map((event) => event));
  }

  @Sse('prices')
  prices(): Observable<MessageEvent> {
    return this.#shared;
  }

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.#news;
  }
}
