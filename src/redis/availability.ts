import { type BackplaneLogger, consoleLogger } from '../backplane/backplane-logger.js';

/** Milliseconds in which what cannot be read is one line in the log. */
const QUIET = 60_000;

/** Whether both connections serve; logs when that changes, once for each outage. */
export class Availability {
  readonly #logger: BackplaneLogger;
  readonly #where: string;
  #isReadable = false;
  #isWritable = false;
  #since: number | undefined;
  #isLogged: boolean;
  #trouble: string | undefined;
  #unreadable = 0;
  #quietUntil = 0;

  /**
   * @param where Redis, for messages
   * @param isLogged whether to log from the beginning, or only when both connections have served
   */
  constructor(where: string, isLogged: boolean, logger = consoleLogger('RedisBackplane')) {
    this.#logger = logger;
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

  /** Events are kept, and the log cannot be trimmed, for the reason given; undefined: it can. */
  onTrouble(reason: string | undefined): void {
    if (reason === this.#trouble) return;
    this.#trouble = reason;
    if (reason === undefined) this.#logger.log(`${this.#where} trims the log again`);
    else this.#logger.warn(`${this.#where} keeps events but does not trim the log: ${reason}`);
  }

  /** An entry of the log was passed over: its readers get a gap. */
  onUnreadableEntry(id: string, reason: string): void {
    this.#unreadable++;
    const now = performance.now();
    if (now < this.#quietUntil) return;
    this.#quietUntil = now + QUIET;
    this.#logger.error(
      `${this.#where}: entry ${id} of the log cannot be read (${reason}), so it is a gap for whoever reads ` +
        `the log; ${this.#unreadable} so far. Does another program, or another version, write to the same key?`,
    );
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
