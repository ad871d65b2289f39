import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import type { ConnectionPort } from '../reader/sink.js';

/** A subscriber, and those that hand on to each other what it is given, as far as can be seen. */
export type ChainOf = (subscriber: object) => Iterable<object>;

/** One for all buses of the process: Node never lets go of a storage that was used. */
const current = new AsyncLocalStorage<Binding | undefined>();

/** The connection that the caller works for, of whichever application. */
export function currentConnection(): ConnectionPort | undefined {
  return current.getStore()?.connection;
}

/** Calls what works for no connection, whoever the caller works for. */
export function apartFromConnections<T>(work: () => T): T {
  return current.run(undefined, work);
}

/** A connection, as what a handler does for it finds it. */
export class Binding {
  readonly connection: ConnectionPort;
  /** Of the connection's own request. */
  #scope: AsyncResource | undefined;
  readonly #owner: Bindings;

  constructor(connection: ConnectionPort, owner: Bindings) {
    this.connection = connection;
    this.#owner = owner;
  }

  /** The one that the caller works for, unless it is one of another application. */
  static currentOf(owner: Bindings): Binding | undefined {
    const binding = current.getStore();
    return binding !== undefined && binding.#owner === owner ? binding : undefined;
  }

  begin<T>(work: () => T): T {
    return current.run(this, () => {
      this.#scope = new AsyncResource('SseConnection');
      return work();
    });
  }

  /** Calls in the async context that it was begun in, wherever the caller is. */
  run(work: () => void): void {
    this.#scope?.runInAsyncScope(work);
  }
}

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
    const binding = new Binding(connection, this);
    if (receiver !== undefined) this.#byReceiver.set(receiver, binding);
    return binding.begin(work);
  }

  /** The one that the caller works for. */
  get current(): Binding | undefined {
    return Binding.currentOf(this);
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
