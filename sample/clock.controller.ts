import { randomUUID } from 'node:crypto';
import {
  Controller,
  Get,
  Headers,
  HttpCode,
  type MessageEvent,
  Param,
  Post,
  Query,
  Sse,
} from '@nestjs/common';
import { map, merge, type Observable, startWith, timer } from 'rxjs';
import { EventBus, SseConnection, SseConnections } from 'nestjs-event-stream';

@Controller()
export class ClockController {
  constructor(
    private readonly bus: EventBus,
    private readonly connections: SseConnections,
  ) {}

  @Sse()
  clock(
    @SseConnection() connection: SseConnection,
    @Headers('last-event-id') header?: string,
    @Query('lastEventId') query?: string,
    @Query('browser') browser?: string | string[],
  ): Observable<MessageEvent> {
    const name = browser === undefined ? randomUUID() : String(browser);
    connection.identify({ tags: [name] });
    const data = { name, resumedAfter: header ?? query, head: this.bus.head };
    const clock = this.bus.stream('clock').pipe(startWith({ type: 'welcome', data }));
    return browser === undefined ? clock : merge(clock, this.statusOf(name));
  }

  /** Tabs that share a connection learn from it who serves it, and that it is the only one. */
  private statusOf(name: string): Observable<MessageEvent> {
    return timer(0, 1_000).pipe(
      map(() => {
        const connections = this.connections.list().filter(({ tags }) => tags.includes(name));
        const data = { instance: process.env['INSTANCE'], connections: connections.length };
        return { type: 'status', data };
      }),
    );
  }

  /** The state of which the events tell, for a client that has missed some. */
  @Get('time')
  time(): { time: string } {
    return { time: new Date().toISOString() };
  }

  /** Ends connections on demand, on whichever instance they are. */
  @Post('drop/:name')
  @HttpCode(202)
  async drop(@Param('name') tag: string): Promise<void> {
    await this.connections.closeEverywhere({ tag });
  }
}
