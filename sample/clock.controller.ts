import { randomUUID } from 'node:crypto';
import {
  Controller,
  Get,
  Headers,
  HttpCode,
  type MessageEvent,
  Param,
  ParseUUIDPipe,
  Post,
  Query,
  Sse,
} from '@nestjs/common';
import { type Observable, startWith } from 'rxjs';
import { EventBus } from 'nestjs-event-stream';
import { type Drop, DROPS, topicOf } from './drop.service.js';

@Controller()
export class ClockController {
  constructor(private readonly bus: EventBus) {}

  @Sse()
  clock(
    @Headers('last-event-id') header?: string,
    @Query('lastEventId') query?: string,
  ): Observable<MessageEvent> {
    const connection = randomUUID();
    const welcome = {
      type: 'welcome',
      data: {
        connection,
        resumedAfter: header ?? query,
        head: this.bus.head,
        instance: process.env['INSTANCE'],
      },
    };
    return this.bus.stream(['clock', topicOf(connection)]).pipe(startWith(welcome));
  }

  /** The state of which the events tell, for a client that has missed some. */
  @Get('time')
  time(): { time: string } {
    return { time: new Date().toISOString() };
  }

  @Post('drop/:connection')
  @HttpCode(202)
  async drop(@Param('connection', ParseUUIDPipe) connection: string): Promise<void> {
    await this.bus.publish(DROPS, { type: 'drop', data: { connection } satisfies Drop });
  }
}
