import { Body, Controller, type MessageEvent, Param, Post, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import type { Observable } from 'rxjs';

interface PriceEvents {
  price: { symbol: string; cents: number };
  halted: { at: string };
}

@Controller('prices')
export class PricesController {
  constructor(private readonly bus: EventBus<PriceEvents>) {}

  @Sse()
  prices(): Observable<MessageEvent> {
    return this.bus.stream('prices', {
      where: (event) => event.type !== 'price' || event.data.cents > 0,
    });
  }

  @Post(':symbol')
  async set(@Param('symbol') symbol: string, @Body() { cents }: { cents: number }): Promise<void> {
    await this.bus.publish('prices', { type: 'price', key: symbol, data: { symbol, cents } });
  }
}
