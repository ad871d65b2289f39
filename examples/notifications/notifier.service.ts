import { Injectable } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';

@Injectable()
export class Notifier {
  constructor(private readonly bus: EventBus) {}

  async notify(userId: string, text: string): Promise<void> {
    await this.bus.publish(`user.${userId}`, { type: 'notification', data: { text } });
  }
}
