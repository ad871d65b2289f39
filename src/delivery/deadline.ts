/** A point in time that several waits share. */
export class Deadline {
  readonly #passed: Promise<void>;
  #timer: NodeJS.Timeout | undefined;

  /** @param timeout milliseconds from now */
  constructor(timeout: number) {
    this.#passed = new Promise((resolve) => {
      this.#timer = setTimeout(resolve, timeout).unref();
    });
  }

  /** Resolves with the work, or when the time has come. */
  async orSooner(work: Promise<unknown>): Promise<void> {
    await Promise.race([work, this.#passed]);
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}
