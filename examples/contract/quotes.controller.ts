import { Controller, type MessageEvent, Sse } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { EventBus, SseEvents } from 'nestjs-event-stream';
import type { Observable } from 'rxjs';

class PriceDto {
  @ApiProperty()
  cents!: number;
}

@Controller('quotes')
export class QuotesController {
  constructor(private readonly bus: EventBus) {}

  @Sse()
  @SseEvents({ price: PriceDto, halted: String })
  quotes(): Observable<MessageEvent> {
    return this.bus.stream('quotes');
  }
}
