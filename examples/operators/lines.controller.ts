import { Body, Controller, Post } from '@nestjs/common';
import { type Cursor, EventBus } from 'nestjs-event-stream';
import type { TickerEvents } from './ticker.controller.js';

/** What happens elsewhere in an application, so that it can be tried with curl. */
@Controller('ticker')
export class LinesController {
  constructor(private readonly bus: EventBus<TickerEvents>) {}

  @Post('lines')
  async add(@Body() { text }: { text: string }): Promise<{ id: Cursor }> {
    return { id: await this.bus.publish('ticker', { type: 'line', data: text }) };
  }
}
