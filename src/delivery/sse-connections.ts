import type { Observable } from 'rxjs';
import { disown, received, SseError } from '../errors.js';
import type { ConnectionInfo, EndReason, LateError } from './connection-info.js';
import type { Connections } from './connections.js';

/** The open SSE connections of this instance. */
export class SseConnections {
  readonly #connections: Connections;

  /** @internal Made by `SseModule`. */
  constructor(connections: Connections) {
    this.#connections = connections;
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
