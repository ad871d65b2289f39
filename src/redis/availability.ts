import { type BackplaneLogger, consoleLogger } from '../backplane/backplane-logger.js';
import { adviceFor, withAdvice } from './refusals.js';

/** Milliseconds in which what cannot be read is one line in the log. */
const QUIET = 60_000;
/** Keys of which is remembered that they have been told. */
const WRONG_KEYS = 1_000;

/** Whether both connections serve; logs when that changes, once for each outage and each reason to see to. */
export class Availability {
  readonly #logger: BackplaneLogger;
  readonly #where: string;
  #isReadable = false;
  #isWritable = false;
  #since: number | undefined;
  #reason: string | undefined;
  /** What somebody has been told to see to. */
  #advice: string | undefined;
  #isLogged: boolean;
  #trouble: string | undefined;
  #unreadable = 0;
  #quietUntil = 0;
  /** By the key and what it holds, until when it is not told again. */
  readonly #wrong = new Map<string, number>();

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

  get isWritable(): boolean {
    return this.#isWritable;
  }

  /** What was last heard of why it is not connected. */
  get reason(): string | undefined {
    return this.isConnected ? undefined : this.#reason;
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
    else
      this.#logger.warn(
        `${this.#where} keeps events but does not trim the log: ${withAdvice(reason)}`,
      );
  }

  /** Keys of the archive hold something else: what was kept there is a gap. */
  onWrongKeys(keys: readonly string[]): void {
    const now = performance.now();
    for (const key of keys) {
      if (now < (this.#wrong.get(key) ?? 0)) continue;
      if (this.#wrong.size >= WRONG_KEYS) this.#wrong.clear();
      this.#wrong.set(key, now + QUIET);
      const told = withAdvice(`WRONGTYPE ${key}`);
      this.#logger.error(`${this.#where}: what was kept is a gap for its readers: ${told}`);
    }
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

  #onDown({ message }: Error): void {
    this.#reason = message;
    if (!this.#isLogged) return;
    const advice = adviceFor(message);
    const isNews = this.#since === undefined || (advice !== undefined && advice !== this.#advice);
    this.#since ??= performance.now();
    if (!isNews) return;
    this.#advice = advice;
    const what =
      advice === undefined
        ? `is out of reach (${message})`
        : `refuses what it is asked for: ${withAdvice(message)}`;
    this.#logger.warn(`${this.#where} ${what}. Streams stay open, delivery goes on after that`);
  }

  #onUp(): void {
    if (!this.isConnected) return;
    this.#isLogged = true;
    this.#advice = undefined;
    if (this.#since === undefined) return;
    const seconds = ((performance.now() - this.#since) / 1_000).toFixed(1);
    this.#since = undefined;
    this.#logger.log(`${this.#where} is back after ${seconds} s`);
  }
}
