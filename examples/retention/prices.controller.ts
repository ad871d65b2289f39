import { Body, Controller, type MessageEvent, Param, Post, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import type { Observable } from 'rxjs';

@Controller('prices')
export class PricesController {
  constructor(private readonly bus: EventBus) {}

  @Post(':symbol')
  async set(@Param('symbol') symbol: string, @Body() { cents }: { cents: number }): Promise<void> {
    await this.bus.publish('price', { type: 'price', key: symbol, data: { symbol, cents } });
  }

  /** The last price of each symbol, `caught-up`, and then every change. */
  @Sse()
  prices(): Observable<MessageEvent> {
    return this.bus.stream('price', { from: 'start', latestPerKey: true, announce: true });
  }
}
