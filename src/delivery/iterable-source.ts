/** Where what an iterable gives comes to its connection. */
interface Destination {
  /** Bytes that it may be given; none while its client is behind. */
  readonly room: number;
  next(message: unknown): void;
  error(error: unknown): void;
  complete(): void;
  /** Takes an error of an iterable that nobody waits for any more. */
  onLateError(error: unknown): void;
}

/** Delivers an async iterable, which is asked for its next message only when there is room for it. */
export class IterableSource {
  readonly #iterable: AsyncIterable<unknown>;
  readonly #destination: Destination;
  #iterator: AsyncIterator<unknown> | undefined;
  #isStopped = false;
  #onRoom: (() => void) | undefined;

  constructor(iterable: AsyncIterable<unknown>, destination: Destination) {
    this.#iterable = iterable;
    this.#destination = destination;
  }

  async run(): Promise<void> {
    try {
      const iterator = (this.#iterator = this.#iterable[Symbol.asyncIterator]());
      while (await this.#hasRoom()) if (!(await this.#handOne(iterator))) break;
      this.#iterator = undefined;
      if (!this.#isStopped) this.#destination.complete();
    } catch (error) {
      this.#iterator = undefined;
      if (this.#isStopped) this.#destination.onLateError(error);
      else this.#destination.error(error);
    }
  }

  /** There may be room. */
  resume(): void {
    this.#onRoom?.();
  }

  /** Nothing is asked for any more: a generator runs its `finally`. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.resume();
    void this.#return();
  }

  /** Resolves when there is room: true, or when nothing is asked for any more: false. */
  async #hasRoom(): Promise<boolean> {
    while (this.#destination.room <= 0 && !this.#isStopped) {
      await new Promise<void>((resolve) => (this.#onRoom = resolve));
      this.#onRoom = undefined;
    }
    return !this.#isStopped;
  }

  /** False when there is no more. */
  async #handOne(iterator: AsyncIterator<unknown>): Promise<boolean> {
    const { done = false, value } = (await iterator.next()) as IteratorResult<unknown, unknown>;
    if (!done && !this.#isStopped) this.#destination.next(value);
    return !done;
  }

  async #return(): Promise<void> {
    try {
      await this.#iterator?.return?.();
    } catch (error) {
      this.#destination.onLateError(error);
    }
  }
}

export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  try {
    return typeof (value as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] === 'function';
  } catch {
    return false;
  }
}
