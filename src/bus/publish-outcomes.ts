/** What is to be told of each publish: milliseconds until it was ordered, or why it was not. */
export type PublishObserver = (duration: number, code: string | undefined) => void;

/** What became of the events that an instance has published. */
export class PublishOutcomes {
  /** Events that are in the log. */
  published = 0;
  /** Of the others, by the code of their error. */
  readonly failed = new Map<string, number>();
  observer: PublishObserver | undefined;

  /**
   * @param duration milliseconds
   * @param code of the error; undefined: the event is in the log
   */
  note(duration: number, code: string | undefined): void {
    if (code === undefined) this.published++;
    else this.failed.set(code, (this.failed.get(code) ?? 0) + 1);
    this.observer?.(duration, code);
  }
}
