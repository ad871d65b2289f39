import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import type { ConnectionPort } from '../reader/sink.js';

/** A subscriber, and those that hand on to each other what it is given, as far as can be seen. */
export type ChainOf = (subscriber: object) => Iterable<object>;

/** A connection, as what a handler does for it finds it. */
export interface Binding {
  readonly connection: ConnectionPort;
  /** Calls in the async context of the connection's own request. */
  run<T>(work: () => T): T;
}

/** One for all buses of the process: Node never lets go of a storage that was used. */
const current = new AsyncLocalStorage<{ readonly owner: Bindings; binding: Binding | undefined }>();

/**
 * Which connection of one bus a stream belongs to. Where its events go decides: whom its subscriber hands
 * on to, and so on, up to who receives what a handler's Observable emits. Where that cannot be seen the async
 * context is a hint: it can be that of another client's request.
 */
export class Bindings {
  readonly #chainOf: ChainOf;
  readonly #byReceiver = new WeakMap<object, Binding>();

  constructor(chainOf: ChainOf) {
    this.#chainOf = chainOf;
  }

  /** @param receiver of RxJS: who is subscribed to what a handler returns */
  run<T>(connection: ConnectionPort, work: () => T, receiver: object | undefined): T {
    const store: { owner: Bindings; binding: Binding | undefined } = {
      owner: this,
      binding: undefined,
    };
    return current.run(store, () => {
      const scope = new AsyncResource('SseConnection');
      store.binding = { connection, run: (again) => scope.runInAsyncScope(again) };
      if (receiver !== undefined) this.#byReceiver.set(receiver, store.binding);
      return work();
    });
  }

  /** The one that the caller works for, unless it is one of another application. */
  get current(): Binding | undefined {
    const found = current.getStore();
    return found?.owner === this ? found.binding : undefined;
  }

  /** The one that whatever this subscriber is given comes to. */
  of(subscriber: object): Binding | undefined {
    for (const link of this.#chainOf(subscriber)) {
      const binding = this.#byReceiver.get(link);
      if (binding !== undefined) return binding;
    }
    return undefined;
  }
}
