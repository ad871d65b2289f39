import type { Observable } from 'rxjs';
import { disown, received, SseError } from '../errors.js';
import type { ConnectionInfo, EndedConnection, EndReason, LateError } from './connection-info.js';
import type { Connections } from './connections.js';
import { type ConnectionTarget, orderFor, type OrderPort } from './orders.js';

/** The open SSE connections of this instance, and a way to end those of every instance. */
export class SseConnections {
  readonly #connections: Connections;
  readonly #orders: OrderPort;

  /** @internal Made by `SseModule`. */
  constructor(connections: Connections, orders: OrderPort) {
    this.#connections = connections;
    this.#orders = orders;
  }

  get count(): number {
    return this.#connections.connections.size;
  }

  /** How many connections have ended since the start, by reason. */
  get ended(): Readonly<Record<EndReason, number>> {
    return { ...this.#connections.ended };
  }

  /**
   * Errors that came too late for an exception filter: a stream that failed after its response had begun, a
   * message that JSON cannot hold, a teardown that threw. They are logged as well.
   *
   * @example connections.errors$.subscribe(({ error }) => reporter.capture(error));
   */
  get errors$(): Observable<LateError> {
    return this.#connections.errors.asObservable();
  }

  /**
   * Each connection of this instance when its client is told that the stream is open. Whose it is and what it
   * streams is known then, as far as the handler has said so.
   */
  get opened$(): Observable<ConnectionInfo> {
    return this.#connections.openings.asObservable();
  }

  /** Each connection of this instance when it has ended: why, after how long, and how many bytes it was sent. */
  get ended$(): Observable<EndedConnection> {
    return this.#connections.ends.asObservable();
  }

  list(): ConnectionInfo[] {
    return [...this.#connections.connections].map(({ info }) => info);
  }

  /**
   * Ends the connections that the predicate selects, or all of them, and says how many. A client that is
   * an `EventSource` comes back; to keep it out, let a guard answer it with 401, 403 or 204.
   *
   * @throws SseError `BAD_OPTION` if the predicate says anything but true or false; nothing is closed then
   * @example connections.close(({ topics }) => topics.includes(`user.${id}`));
   */
  close(predicate: (connection: ConnectionInfo) => boolean = () => true): number {
    const selected = [...this.#connections.connections].filter(({ info }) =>
      isTrue(predicate(info)),
    );
    for (const connection of selected) connection.end('closed');
    return selected.length;
  }

  /**
   * Ends connections on every instance: those of an owner, those that stream a topic, those with a tag, or one.
   * It goes through the log: it resolves when it is ordered there, each instance does it when it reads it, and
   * only to connections that were opened before it. What was published before it still goes out, to clients that
   * are not behind; nothing that is published after it does. A client that is an `EventSource` comes back; to keep it out, let a guard answer it with 401,
   * 403 or 204.
   *
   * Rejects with an `SseError`: `BAD_OPTION`, or what `publish` rejects with.
   *
   * @example await connections.closeEverywhere({ owner: user.id });
   */
  async closeEverywhere(target: ConnectionTarget): Promise<void> {
    await this.#orders.publish(orderFor(target, 'closed', 'SseConnections.closeEverywhere()'));
  }

  /**
   * Ends the connections of an owner on every instance, as `closeEverywhere({ owner })` does, because what the
   * guards decided may no longer hold: their clients come back and are asked anew. Counted as `expired`.
   */
  async reauthorize(owner: string): Promise<void> {
    await this.#orders.publish(orderFor({ owner }, 'expired', 'SseConnections.reauthorize()'));
  }
}

/** A promise, as of an `async` predicate, would select everything. */
function isTrue(verdict: unknown): boolean {
  if (typeof verdict === 'boolean') return verdict;
  disown(verdict);
  throw new SseError(
    'BAD_OPTION',
    `SseConnections: the predicate of close() has to return true or false; received ${received(verdict)}`,
  );
}
