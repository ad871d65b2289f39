import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { Subscription } from 'rxjs';
import { EventBus, SseConnections } from 'nestjs-event-stream';

export const DROPS = 'drops';

export interface Drop {
  readonly connection: string;
}

/** A topic that only this connection streams: by it `SseConnections` finds the connection. */
export function topicOf(connection: string): string {
  return `connection.${connection}`;
}

/** Ends connections on demand, on whichever instance they are: the bus tells every one of them. */
@Injectable()
export class DropService implements OnModuleInit, OnModuleDestroy {
  #drops: Subscription | undefined;

  constructor(
    private readonly bus: EventBus<{ drop: Drop }>,
    private readonly connections: SseConnections,
  ) {}

  onModuleInit(): void {
    this.#drops = this.bus.stream(DROPS).subscribe(({ data }) => {
      this.connections.close(({ topics }) => topics.includes(topicOf(data.connection)));
    });
  }

  onModuleDestroy(): void {
    this.#drops?.unsubscribe();
  }
}
