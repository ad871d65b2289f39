import { randomUUID } from 'node:crypto';
import {
  Controller,
  Headers,
  HttpCode,
  type MessageEvent,
  Param,
  ParseUUIDPipe,
  Post,
  Sse,
} from '@nestjs/common';
import { type Observable, startWith } from 'rxjs';
import { EventBus } from 'nestjs-event-stream';
import { type Drop, DROPS, topicOf } from './drop.service.js';

@Controller()
export class ClockController {
  constructor(private readonly bus: EventBus) {}

  @Sse()
  clock(@Headers('last-event-id') resumedAfter?: string): Observable<MessageEvent> {
    const connection = randomUUID();
    const welcome = {
      type: 'welcome',
      data: {
        connection,
        resumedAfter,
        at: new Date().toISOString(),
        instance: process.env['INSTANCE'],
      },
    };
    return this.bus.stream(['clock', DROPS, topicOf(connection)]).pipe(startWith(welcome));
  }

  @Post('drop/:connection')
  @HttpCode(202)
  async drop(@Param('connection', ParseUUIDPipe) connection: string): Promise<void> {
    const data: Drop = { connection, at: new Date().toISOString() };
    await this.bus.publish(DROPS, { type: 'drop', data });
  }
}
