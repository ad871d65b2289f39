/** Where a failure goes that nobody waited for. */
type Report = (error: unknown) => void;

/**
 * A promise whose rejection is reported when nobody waits for it, and that is never an unhandled
 * rejection; neither is what `then`, `catch` and `finally` derive from it.
 */
export class Publication<T> extends Promise<T> {
  #isAwaited = false;
  readonly #report: Report;

  /** Derived promises are made by {@link then}; the language's own way would not know the report. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  constructor(work: Promise<T>, report: Report) {
    super((resolve, reject) => {
      work.then(resolve, reject);
    });
    this.#report = report;
    super.then(undefined, (error: unknown) => {
      // A caller that catches in a later tick of the same turn is still in time.
      setImmediate(() => {
        if (!this.#isAwaited) report(error);
      });
    });
  }

  override then<A = T, B = never>(
    onResolved?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#isAwaited = true;
    return new Publication(super.then(onResolved, onRejected), this.#report);
  }
}
