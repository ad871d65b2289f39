/** A time that several waits have together. */
export class Deadline {
  readonly #passed: Promise<void>;
  #pass!: () => void;
  #timer: NodeJS.Timeout | undefined;
  /** Milliseconds, from when it was resumed. */
  #left: number;
  #resumedAt = 0;

  /** @param timeout milliseconds from now */
  constructor(timeout: number) {
    this.#left = timeout;
    this.#passed = new Promise((resolve) => (this.#pass = resolve));
    this.resume();
  }

  /** The time does not run until it is resumed. */
  pause(): void {
    clearTimeout(this.#timer);
    this.#left = this.left;
  }

  resume(): void {
    this.#resumedAt = performance.now();
    this.#timer = setTimeout(this.#pass, this.#left).unref();
  }

  /** Resolves with the work, or when the time has come. */
  async orSooner(work: Promise<unknown>): Promise<void> {
    await Promise.race([work, this.#passed]);
  }

  /** Milliseconds, while it runs. */
  get left(): number {
    return Math.max(this.#left - (performance.now() - this.#resumedAt), 0);
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}
