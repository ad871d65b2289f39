import { Injectable } from '@nestjs/common';
import { SseConnections } from 'nestjs-event-stream';

@Injectable()
export class SignOut {
  constructor(private readonly connections: SseConnections) {}

  closeStreamsOf(userId: string): Promise<void> {
    return this.connections.closeEverywhere({ owner: userId });
  }
}
