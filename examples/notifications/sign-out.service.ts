import { Injectable } from '@nestjs/common';
import { SseConnections } from 'nestjs-event-stream';

@Injectable()
export class SignOut {
  constructor(private readonly connections: SseConnections) {}

  closeStreamsOf(userId: string): number {
    return this.connections.close(({ topics }) => topics.includes(`user.${userId}`));
  }
}
