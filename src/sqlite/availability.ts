import type { BackplaneLogger } from '../backplane/backplane-logger.js';

/** Whether the file can be read and written; logs when that changes, once for each outage. */
export class Availability {
  readonly #logger: BackplaneLogger;
  readonly #path: string;
  #isUp = false;
  #since: number | undefined;

  constructor(path: string, logger: BackplaneLogger) {
    this.#path = path;
    this.#logger = logger;
  }

  get isConnected(): boolean {
    return this.#isUp;
  }

  onUp(): void {
    this.#isUp = true;
    if (this.#since === undefined) return;
    const seconds = ((performance.now() - this.#since) / 1_000).toFixed(1);
    this.#since = undefined;
    this.#logger.log(`'${this.#path}' is usable again after ${seconds} s`);
  }

  onDown(error: Error): void {
    const wasUp = this.#isUp;
    this.#isUp = false;
    if (!wasUp) return;
    this.#since = performance.now();
    this.#logger.warn(
      `The log is out of reach: streams stay open, delivery goes on when it is back. ${error.message}`,
    );
  }

  warn(text: string): void {
    this.#logger.warn(text);
  }
}
