import { afterEach, beforeEach } from '@jest/globals';
import { connectEvents, type EventsOptions, type ServerEvents } from 'nestjs-event-stream/client';
import { ScriptedServer } from './scripted-server.js';

export interface Received {
  readonly type: string;
  readonly data: unknown;
  readonly id: string;
}

/** A client and everything that it was given. */
export class Listener {
  readonly received: Received[] = [];
  readonly #watching = new Set<() => void>();

  constructor(readonly events: ServerEvents<Record<string, unknown>>) {
    events['@@observable']().subscribe({
      next: ({ type, data, id }) => {
        this.received.push({ type, data, id });
      },
    });
    events.subscribe(() => {
      for (const look of this.#watching) look();
    });
  }

  get data(): unknown[] {
    return this.received.map(({ data }) => data);
  }

  /** Resolves when a condition holds, which is looked at with every change. */
  until(condition: (listener: this) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!condition(this)) return;
        this.#watching.delete(look);
        resolve();
      };
      this.#watching.add(look);
      look();
    });
  }

  receives(count: number): Promise<void> {
    return this.until(({ received }) => received.length >= count);
  }

  is(state: string): Promise<void> {
    return this.until(({ events }) => events.state === state);
  }
}

/** A server and clients for each test; all end with it. */
export class ClientBench {
  server!: ScriptedServer;
  readonly #listeners: Listener[] = [];

  connect(options: EventsOptions = {}, url = this.server.url): Listener {
    const listener = new Listener(connectEvents(url, options));
    this.#listeners.push(listener);
    return listener;
  }

  static use(): ClientBench {
    const bench = new ClientBench();
    beforeEach(async () => {
      bench.server = await ScriptedServer.start();
    });
    afterEach(async () => {
      for (const { events } of bench.#listeners.splice(0)) events.close();
      await bench.server.stop();
    });
    return bench;
  }
}
