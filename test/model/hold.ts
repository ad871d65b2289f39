import {
  dematerialize,
  materialize,
  mergeMap,
  Observable,
  type OperatorFunction,
  pipe,
} from 'rxjs';

/** What operators hold, in the order in which it came, to be let go when the run says so. */
export class Holding {
  readonly #held: (() => void)[] = [];

  get size(): number {
    return this.#held.length;
  }

  /** An operator that holds each value, keeps the order, and drops what it holds when it is unsubscribed. */
  hold<T>(): OperatorFunction<T, T> {
    return pipe(
      materialize(),
      mergeMap(
        (notification) =>
          new Observable<typeof notification>((subscriber) => {
            this.#held.push(() => {
              subscriber.next(notification);
              subscriber.complete();
            });
          }),
      ),
      dematerialize(),
    );
  }

  release(count: number): void {
    for (const letGo of this.#held.splice(0, count)) letGo();
  }
}
