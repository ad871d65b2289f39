import type { Subscription } from 'rxjs';
import type { EventBus } from '../bus/event-bus.js';
import type { Message, MessageObserver, RegistryPort } from '../registry/message.js';

/** What instances tell each other of what they have registered, as entries of the log under one topic. */
export class LogRegistryPort implements RegistryPort {
  readonly #bus: EventBus;
  readonly #topic: string;
  readonly instance: string;
  #subscription: Subscription | undefined;

  constructor(bus: EventBus, topic: string, instance: string) {
    this.#bus = bus;
    this.#topic = topic;
    this.instance = instance;
  }

  publish(message: Message): Promise<unknown> {
    return this.#bus.publishInternal(this.#topic, message);
  }

  listen(observer: MessageObserver): void {
    this.#subscription = this.#bus.follow(this.#topic).subscribe(({ type, data, at }) => {
      if (type === 'gap') observer.onGap();
      else observer.onMessage(data, at ?? 0);
    });
  }

  close(): void {
    this.#subscription?.unsubscribe();
  }
}
