import { SseError, received } from '../errors.js';
import type { Cursor } from '../log/cursor.js';
import type { AnyEvents, NewEvent, SseEvent } from '../log/event.js';

/** Why a snapshot is asked for: a new client, or one that has a gap. */
export interface SnapshotReason {
  readonly reason: 'new' | 'gap';
}

interface Filters<Events extends object> {
  /**
   * Decided at the source: what it drops still moves the client's cursor. One that throws drops the event.
   */
  readonly where?: ((event: SseEvent<Events>) => boolean) | undefined;
  /** While catching up, skips an event that a later one of the same key and topic replaces. Default false. */
  readonly latestPerKey?: boolean | undefined;
}

/** What a stream reads, and from where; `from` and `snapshot` exclude each other. */
export type StreamOptions<
  Events extends object = AnyEvents,
  Published extends object = Events,
> = Filters<Events> &
  (
    | {
        /** Where a client without a cursor begins. Default `'now'`. */
        readonly from?: 'now' | 'earliest' | (Cursor & {}) | undefined;
        readonly snapshot?: undefined;
      }
    | {
        readonly from?: undefined;
        /**
         * Gives the state as events, for a client that is new or has a gap; what is published meanwhile
         * follows. A rejection is the end of the stream.
         */
        readonly snapshot?:
          | ((
              why: SnapshotReason,
            ) => readonly NewEvent<Published>[] | Promise<readonly NewEvent<Published>[]>)
          | undefined;
      }
  );

/** Complete and checked {@link StreamOptions}. */
export interface StreamPlan {
  readonly from: Cursor;
  readonly snapshot: ((why: SnapshotReason) => unknown) | undefined;
  readonly where: ((event: SseEvent) => boolean) | undefined;
  readonly latestPerKey: boolean;
}

/** Of streams without options, which are most: one for all of them. */
const DEFAULT_PLAN: StreamPlan = Object.freeze({
  from: 'now',
  snapshot: undefined,
  where: undefined,
  latestPerKey: false,
});

const KNOWN = new Set(['from', 'snapshot', 'where', 'latestPerKey']);

/** @throws SseError `BAD_OPTION` */
export function planStream(options: object): StreamPlan {
  const names = Object.keys(options);
  if (names.length === 0) return DEFAULT_PLAN;
  const unknown = names.find((name) => !KNOWN.has(name));
  if (unknown !== undefined) {
    throw bad(`does not know '${unknown}'; it takes ${[...KNOWN].join(', ')}`);
  }
  const { from, snapshot, where, latestPerKey = false } = options as Record<string, unknown>;
  if (from !== undefined && typeof from !== 'string') {
    throw bad(`'from' is 'now', 'earliest' or a cursor: received ${received(from)}`);
  }
  if (from !== undefined && snapshot !== undefined) {
    throw bad(
      `takes 'from' or 'snapshot', not both: a snapshot is the place that a new client begins at`,
    );
  }
  if (!isOptionalFunction(snapshot))
    throw bad(`'snapshot' is a function: received ${received(snapshot)}`);
  if (!isOptionalFunction(where)) throw bad(`'where' is a function: received ${received(where)}`);
  if (typeof latestPerKey !== 'boolean') {
    throw bad(`'latestPerKey' is a boolean: received ${received(latestPerKey)}`);
  }
  return {
    from: from ?? 'now',
    snapshot,
    where: where as StreamPlan['where'],
    latestPerKey,
  };
}

function isOptionalFunction(value: unknown): value is ((argument: unknown) => unknown) | undefined {
  return value === undefined || typeof value === 'function';
}

function bad(message: string): SseError {
  return new SseError('BAD_OPTION', `bus.stream(): ${message}`);
}
