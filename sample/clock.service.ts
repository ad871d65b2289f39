import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';

/** Seconds that are published late, at most, when the process was held up. */
const MAX_LATE = 60;

/** Publishes the current timestamp at every full second. */
@Injectable()
export class ClockService implements OnModuleInit, OnModuleDestroy {
  #timer: NodeJS.Timeout | undefined;
  /** A log in a file may lack the seconds of a restart; of those that it has, the key makes one event. */
  #last = currentSecond() - (process.env['SSE_FILE'] === undefined ? 0 : MAX_LATE);

  constructor(private readonly bus: EventBus) {}

  onModuleInit(): void {
    this.#wait();
  }

  onModuleDestroy(): void {
    clearTimeout(this.#timer);
  }

  #wait(): void {
    this.#timer = setTimeout(() => this.#tick(), 1_000 - (Date.now() % 1_000));
  }

  #tick(): void {
    const now = currentSecond();
    const first = Math.max(this.#last + 1, now - MAX_LATE);
    for (let second = first; second <= now; second++) this.#publish(second);
    this.#last = now;
    this.#wait();
  }

  #publish(second: number): void {
    const timestamp = new Date(second * 1_000).toISOString();
    // Every instance publishes every second; the key makes it one event for all of them.
    const idempotencyKey = `clock ${timestamp}`;
    void this.bus.publish('clock', { type: 'testEvent', data: timestamp }, { idempotencyKey });
  }
}

function currentSecond(): number {
  return Math.floor(Date.now() / 1_000);
}
