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
  /** Method and path as requested, without the query. */
  readonly route: string;
  readonly remoteAddress: string;
  /** Topics, and patterns of matchers, of the bus streams that are open on it. */
  readonly topics: readonly string[];
  readonly since: Date;
  /** Bytes of `text/event-stream` written, without HTTP's framing. */
  readonly bytes: number;
  /** Whether the client has yet to take what passed the high-water mark. */
  readonly isBehind: boolean;
}
