import type { ClientIdentity } from './identity.js';
import type { OpenRequest } from './open-request.js';

/** Why a connection ended: see {@link EndReason}. */
export const END_REASONS = [
  'client',
  'complete',
  'error',
  'stalled',
  'overflow',
  'lifetime',
  'expired',
  'drain',
  'closed',
  'replaced',
  'refused',
] as const;

/**
 * - `client`: the client left, or the network did;
 * - `complete`: the Observable completed;
 * - `error`: the Observable failed;
 * - `stalled`: the client was behind and took nothing for `stallTimeout`;
 * - `overflow`: more than `maxBuffered` waited from an Observable that cannot be paused;
 * - `lifetime`: `maxLifetime` was over;
 * - `expired`: `expiresAt` had come, or `SseConnections.reauthorize()` was called;
 * - `drain`: the application is shutting down;
 * - `closed`: `SseConnections.close()` or `closeEverywhere()` was called;
 * - `replaced`: its owner, or its address, opened more than `limits` allows, and this was the oldest;
 * - `refused`: there were `maxConnections` or as many as `limits` allows, or the application was shutting down.
 */
export type EndReason = (typeof END_REASONS)[number];

/** One open connection. */
export interface ConnectionInfo {
  /** No other connection of any instance has it: the instance's own part, and a number that counts from 1. */
  readonly id: string;
  /** Whose it is, as `identify` said. */
  readonly owner: string | undefined;
  readonly tags: readonly string[];
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

/** A connection that has ended. */
export interface EndedConnection {
  readonly connection: ConnectionInfo;
  readonly reason: EndReason;
  /** Milliseconds since the request was let in. */
  readonly duration: number;
  /** Bytes of `text/event-stream` written, without HTTP's framing. */
  readonly bytes: number;
  /** Whether `opened$` told of it: not if it was refused, or answered with an error. */
  readonly wasOpened: boolean;
}

const NO_TAGS: readonly string[] = Object.freeze([]);

/** @param since on the monotonic clock */
export function infoOf(
  id: string,
  identity: ClientIdentity | undefined,
  { method, pattern, path, remoteAddress }: OpenRequest,
  since: number,
  reader: { readonly topics: readonly string[] } | undefined,
  outbox: { readonly sent: number; readonly isBehind: boolean },
): ConnectionInfo {
  return {
    id,
    owner: identity?.owner,
    tags: identity?.tags ?? NO_TAGS,
    route: `${method} ${pattern}`,
    path,
    remoteAddress,
    topics: reader?.topics ?? [],
    since: new Date(performance.timeOrigin + since),
    bytes: outbox.sent,
    isBehind: outbox.isBehind,
  };
}
