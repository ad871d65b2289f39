import type { OpenRequest } from './open-request.js';

/** Why a connection ended: see {@link EndReason}. */
export const END_REASONS = [
  'client',
  'complete',
  'error',
  'stalled',
  'overflow',
  'lifetime',
  'drain',
  'closed',
  'refused',
] as const;

/**
 * - `client`: the client left, or the network did;
 * - `complete`: the Observable completed;
 * - `error`: the Observable failed;
 * - `stalled`: the client was behind and took nothing for `stallTimeout`;
 * - `overflow`: more than `maxBuffered` waited from an Observable that cannot be paused;
 * - `lifetime`: `maxLifetime` was over;
 * - `drain`: the application is shutting down;
 * - `closed`: `SseConnections.close()` was called;
 * - `refused`: there were `maxConnections`, or the application was shutting down.
 */
export type EndReason = (typeof END_REASONS)[number];

/** One open connection. */
export interface ConnectionInfo {
  /** Counted from 1 in each process. */
  readonly id: number;
  /** Method and pattern of the route, prefix and version included: `GET /jobs/:id`. */
  readonly route: string;
  /** The path as requested, without the query: `/jobs/7`. */
  readonly path: string;
  /** The client's address; behind proxies as far as the adapter's `trust proxy` goes. */
  readonly remoteAddress: string;
  /** Topics, and patterns of matchers, of the bus streams that are open on it. */
  readonly topics: readonly string[];
  readonly since: Date;
  /** Bytes of `text/event-stream` written, without HTTP's framing. */
  readonly bytes: number;
  /** Whether the client has yet to take what passed the high-water mark. */
  readonly isBehind: boolean;
}

/** Something that failed when the client could no longer be answered with a status. */
export interface LateError {
  readonly error: unknown;
  /** What became of it, as in the log. */
  readonly message: string;
  readonly connection: ConnectionInfo;
}

/** @param since on the monotonic clock */
export function infoOf(
  id: number,
  { method, pattern, path, remoteAddress }: OpenRequest,
  since: number,
  reader: { readonly topics: readonly string[] } | undefined,
  outbox: { readonly sent: number; readonly isBehind: boolean },
): ConnectionInfo {
  return {
    id,
    route: `${method} ${pattern}`,
    path,
    remoteAddress,
    topics: reader?.topics ?? [],
    since: new Date(performance.timeOrigin + since),
    bytes: outbox.sent,
    isBehind: outbox.isBehind,
  };
}
