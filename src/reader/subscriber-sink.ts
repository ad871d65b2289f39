import type { Subscriber } from 'rxjs';
import type { SseEvent } from '../log/event.js';
import type { Task, TurnScheduler } from '../log/turn-scheduler.js';
import type { Reader } from './reader.js';
import type { Sink } from './sink.js';

/** The sink of a stream that was opened outside a connection: an ordinary, live Observable. */
export class SubscriberSink implements Sink, Task {
  queued = false;
  reader: Reader | undefined;
  readonly #turn: TurnScheduler;
  readonly #subscriber: Subscriber<SseEvent>;

  constructor(turn: TurnScheduler, subscriber: Subscriber<SseEvent>) {
    this.#turn = turn;
    this.#subscriber = subscriber;
  }

  get room(): number {
    return this.#subscriber.closed ? 0 : Infinity;
  }

  get isEnded(): boolean {
    return this.#subscriber.closed;
  }

  schedule(): void {
    this.#turn.add(this);
  }

  run(): void {
    this.reader?.read();
  }

  begin(): void {}

  tell(): void {}

  write(): void {}

  announce(event: SseEvent): void {
    this.#subscriber.next(event);
  }

  endForGood(): void {
    this.#subscriber.complete();
  }
}
