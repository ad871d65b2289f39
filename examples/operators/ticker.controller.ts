import { Controller, type MessageEvent, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import { bufferTime, concatMap, filter, map, type Observable } from 'rxjs';
import { Translator } from './translator.js';

export interface TickerEvents {
  line: string;
}

@Controller('ticker')
export class TickerController {
  constructor(
    private readonly bus: EventBus<TickerEvents>,
    private readonly translator: Translator,
  ) {}

  /** Waits for a promise, and passes the id on. */
  @Sse('translated')
  translated(): Observable<MessageEvent> {
    return this.bus.stream('ticker').pipe(
      concatMap(async (event) => ({
        ...event,
        data: await this.translator.translate(event.data),
      })),
    );
  }

  /** One message for all events of half a second, with the id of the last. */
  @Sse('batched')
  batched(): Observable<MessageEvent> {
    return this.bus.stream('ticker').pipe(
      bufferTime(500),
      filter((events) => events.length > 0),
      map((events) => ({ ...events.at(-1), data: events.map(({ data }) => data) })),
    );
  }
}
