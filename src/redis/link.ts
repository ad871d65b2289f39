import { toError } from '../errors.js';
import type { RedisClient } from './redis-client.js';

/** Milliseconds before the first attempt to connect again, doubled up to the longest with each failure. */
const SHORTEST_WAIT = 50;
const LONGEST_WAIT = 2_000;
/** How long, in milliseconds, closing waits for a connection to end. */
const CLOSE_TIMEOUT = 500;

/** How a link tells of its connection. */
export interface LinkEvents {
  onUp?(): void;
  /** Also called for each further attempt that fails. */
  onDown(error: Error): void;
}

/** One connection at a time: when it is lost another takes its place, after a wait that varies. */
export class Link {
  readonly #connect: () => RedisClient;
  readonly #timeout: number;
  readonly #events: LinkEvents;
  #candidate: RedisClient | undefined;
  #connection: RedisClient | undefined;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #waiting: ((connection: RedisClient | undefined) => void)[] = [];
  readonly #ended = new Set<Promise<void>>();

  /** @param timeout milliseconds that an attempt to connect may take */
  constructor(connect: () => RedisClient, timeout: number, events: LinkEvents) {
    this.#connect = connect;
    this.#timeout = timeout;
    this.#events = events;
  }

  get connection(): RedisClient | undefined {
    return this.#connection;
  }

  open(): void {
    void this.#attempt();
  }

  /** The connection, as soon as there is one; undefined when the link is closed. */
  connected(): Promise<RedisClient | undefined> {
    if (this.#connection !== undefined || this.#isClosed) return Promise.resolve(this.#connection);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The connection was of use, so that the next attempt need not wait long. */
  resetBackoff(): void {
    this.#failures = 0;
  }

  /** Gives up a connection, if it is still the one in use. */
  drop(connection: RedisClient, error: Error): void {
    if (connection !== this.#connection) return;
    this.#connection = undefined;
    connection.disconnect();
    if (this.#isClosed) return;
    this.#events.onDown(error);
    this.#attemptLater();
  }

  /** Ends the connection; a server that answers nobody cannot hold it for long. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#candidate?.disconnect();
    this.#connection?.disconnect();
    this.#connection = undefined;
    this.#settle(undefined);
    await within(Promise.all(this.#ended), CLOSE_TIMEOUT, 'did not end').catch(() => {});
  }

  async #attempt(): Promise<void> {
    // ioredis says why in an event; what it rejects with is only that the connection was closed.
    let reason: Error | undefined;
    try {
      const connection = this.#connect();
      this.#candidate = connection;
      connection.on('error', (error) => (reason = error));
      const ended = new Promise<void>((resolve) => connection.once('end', resolve));
      this.#ended.add(ended);
      void ended.then(() => {
        this.#ended.delete(ended);
        this.drop(connection, reason ?? new Error('Connection is closed'));
      });
      await within(connection.connect(), this.#timeout, 'did not let us connect');
      if (this.#isClosed || connection.status !== 'ready') throw new Error('Connection is closed');
      this.#connection = connection;
      this.#settle(connection);
      this.#events.onUp?.();
    } catch (cause) {
      this.#candidate?.disconnect();
      if (this.#isClosed) return;
      this.#events.onDown(reason ?? asError(cause));
      this.#attemptLater();
    } finally {
      this.#candidate = undefined;
    }
  }

  #attemptLater(): void {
    const wait = Math.min(SHORTEST_WAIT * 2 ** this.#failures++, LONGEST_WAIT);
    this.#timer = setTimeout(() => void this.#attempt(), wait * (0.5 + Math.random() / 2));
  }

  #settle(connection: RedisClient | undefined): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve(connection);
  }
}

/** Rejects if `work` takes longer than `timeout`, in milliseconds. */
export function within<T>(work: Promise<T>, timeout: number, what: string): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`Redis ${what} within ${timeout} ms`)),
      timeout,
    );
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

export function asError(cause: unknown): Error {
  return toError(cause);
}
