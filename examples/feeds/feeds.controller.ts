import { BadRequestException, Controller, type MessageEvent, Query, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import type { Observable } from 'rxjs';

const FEEDS = new Set(['news', 'sports', 'weather']);

@Controller('feeds')
export class FeedsController {
  constructor(private readonly bus: EventBus) {}

  @Sse()
  feeds(@Query('topics') topics: string | string[] = []): Observable<MessageEvent> {
    const wanted = String(topics).split(',');
    if (!wanted.every((topic) => FEEDS.has(topic))) {
      throw new BadRequestException(`topics is a list of ${[...FEEDS].join(', ')}`);
    }
    return this.bus.stream(wanted.map((topic) => `feed.${topic}`));
  }
}
