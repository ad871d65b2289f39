/** Where a failure goes that nobody waited for. */
type Report = (error: unknown) => void;

/**
 * A promise whose rejection is reported when nobody waits for it, and that is never an unhandled
 * rejection; neither is what `then`, `catch` and `finally` derive from it.
 */
export class Publication<T> extends Promise<T> {
  #isAwaited = false;
  #report: Report | undefined;

  /** Settles as `work` does. */
  static of<T>(work: Promise<T>, report: Report): Publication<T> {
    const publication = new Publication<T>((resolve, reject) => {
      work.then(resolve, (error: unknown) => {
        // Nobody has to watch what succeeds.
        publication.#watch(report);
        reject(error);
      });
    });
    publication.#report = report;
    return publication;
  }

  override then<A = T, B = never>(
    onResolved?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#isAwaited = true;
    const derived = super.then(onResolved, onRejected) as Publication<A | B>;
    if (this.#report !== undefined) derived.#watch((derived.#report = this.#report));
    return derived;
  }

  #watch(report: Report): void {
    super.then(undefined, (error: unknown) => {
      // A caller that catches in a later tick of the same turn is still in time.
      setImmediate(() => {
        if (!this.#isAwaited) report(error);
      });
    });
  }
}
