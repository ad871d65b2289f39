import { Injectable, type OnModuleInit } from '@nestjs/common';
import { SseConnections } from 'nestjs-event-stream';

/** Stands for your error reporter. */
export const reporter = {
  capture: (error: unknown, context: object) => console.error(error, context),
};

@Injectable()
export class LateErrors implements OnModuleInit {
  constructor(private readonly connections: SseConnections) {}

  onModuleInit(): void {
    this.connections.errors$.subscribe(({ error, message, connection }) =>
      reporter.capture(error, { message, route: connection.route }),
    );
  }
}
