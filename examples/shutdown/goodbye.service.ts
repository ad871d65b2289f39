import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';

@Injectable()
export class Goodbye implements BeforeApplicationShutdown {
  constructor(private readonly bus: EventBus) {}

  async beforeApplicationShutdown(): Promise<void> {
    await this.bus.publish('news', { type: 'goodbye', data: {} });
  }
}
