import { Logger } from '@nestjs/common';

/** Whether both connections serve; logs when that changes, once for each outage. */
export class Availability {
  readonly #logger = new Logger('RedisBackplane');
  readonly #where: string;
  #isReadable = false;
  #isWritable = false;
  #since: number | undefined;
  #isLogged: boolean;

  /**
   * @param where Redis, for messages
   * @param isLogged whether to log from the beginning, or only when both connections have served
   */
  constructor(where: string, isLogged: boolean) {
    this.#where = where;
    this.#isLogged = isLogged;
  }

  get isConnected(): boolean {
    return this.#isReadable && this.#isWritable;
  }

  onReadable(): void {
    this.#isReadable = true;
    this.#onUp();
  }

  onWritable(): void {
    this.#isWritable = true;
    this.#onUp();
  }

  onUnreadable(error: Error): void {
    this.#isReadable = false;
    this.#onDown(error);
  }

  onUnwritable(error: Error): void {
    this.#isWritable = false;
    this.#onDown(error);
  }

  #onDown(error: Error): void {
    if (this.#since !== undefined || !this.#isLogged) return;
    this.#since = performance.now();
    this.#logger.warn(
      `${this.#where} is out of reach (${error.message}): streams stay open, delivery goes on when it is back`,
    );
  }

  #onUp(): void {
    if (!this.isConnected) return;
    this.#isLogged = true;
    if (this.#since === undefined) return;
    const seconds = ((performance.now() - this.#since) / 1_000).toFixed(1);
    this.#since = undefined;
    this.#logger.log(`${this.#where} is back after ${seconds} s`);
  }
}
