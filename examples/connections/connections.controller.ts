import { Controller, Get } from '@nestjs/common';
import { type ConnectionInfo, SseConnections } from 'nestjs-event-stream';

@Controller('connections')
export class ConnectionsController {
  constructor(private readonly connections: SseConnections) {}

  @Get()
  show(): { open: number; ended: Record<string, number>; behind: ConnectionInfo[] } {
    const { count, ended } = this.connections;
    return {
      open: count,
      ended,
      behind: this.connections.list().filter(({ isBehind }) => isBehind),
    };
  }
}
