import { type Cursor, parseCursor, type StreamPosition } from '../log/cursor.js';
import type { Entry } from '../log/entry.js';
import type { AnyEvents, NewEvent, SseEvent } from '../log/event.js';
import { GivenOptions } from '../options.js';
import type { ReplayMerge } from './neighbours.js';

/** Why a snapshot is asked for: a new client, or one that has a gap. */
export interface SnapshotReason {
  readonly reason: 'new' | 'gap';
}

interface Filters<Events extends object> {
  /**
   * Decided at the source: what it drops still moves the client's cursor. It says true or false: one that
   * throws, or says anything else (an `async` one says a promise), drops the event, and is logged.
   */
  readonly where?: ((event: SseEvent<Events>) => boolean) | undefined;
  /** While catching up, skips an event that a later one of the same key and topic replaces. Default false. */
  readonly latestPerKey?: boolean | undefined;
  /**
   * A boundary of access: nothing at or before this cursor is ever read for this stream, whatever the client
   * or `from` asks for. A client whose cursor is before it starts at it, without a gap. Keep the cursor that
   * `publish` gave, or `bus.head`, from when somebody was let in.
   */
  readonly notBefore?: (Cursor & {}) | undefined;
  /**
   * Completes the stream after the event for which this is true; asked at the source, also of events that `where`
   * drops. A client that comes back past that event is answered 204, which keeps an EventSource away for good.
   * One that throws, or returns no boolean, does not end the stream, and is reported once.
   */
  readonly until?: ((event: SseEvent<Events>) => boolean) | undefined;
  /**
   * Whether the client is told where it stands: `event: ready` with `{ cursor, resumed, heartbeatInterval }`
   * (milliseconds, or false) before anything else, and `event: caught-up` with `{ cursor, replayed }` when what
   * was there before has gone out, or the stream ends with it. While a snapshot is owed `ready` has no cursor.
   *
   * @defaultValue false
   */
  readonly announce?: boolean | undefined;
}

/** What a stream reads, and from where; `from` and `snapshot` exclude each other. */
export type StreamOptions<
  Events extends object = AnyEvents,
  Published extends object = Events,
> = Filters<Events> &
  (
    | {
        /**
         * Where a client without a cursor begins:
         * - `'now'`: with what is published next;
         * - `'earliest'`: with the oldest event that there is of its topics;
         * - `'start'`: with the first event that its topics ever had. If that is gone the client gets a `gap`
         *   (`trimmed`, requested `start`) before anything else;
         * - a cursor: after that event;
         * - `{ last: n }`: with the last `n` events of its topics, or as many as there are;
         * - a `Date`: with the first event that was published then or later, or a `gap` if it may be gone.
         *
         * @defaultValue 'now'
         */
        readonly from?:
          | 'now'
          | 'earliest'
          | 'start'
          | (Cursor & {})
          | { readonly last: number }
          | Date
          | undefined;
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

/** Where a stream begins that is given no place: its last events, or a time in milliseconds since the Unix epoch. */
export type StreamStart =
  | { readonly last: number; readonly since?: undefined }
  | { readonly since: number; readonly last?: undefined };

/** Where what a stream reads begins and, once it has ended, ends in the log. */
export interface Span {
  readonly begin: StreamPosition;
  /** The place of its last event. */
  readonly end: StreamPosition | undefined;
}

/** What is known of where a stream begins and ends, by whoever it belongs to. */
export interface SpanSource {
  /**
   * Asked when reading begins. `'gone'` if there is nothing to read, an error if that is one for its client. Undefined while
   * it is not known.
   *
   * @param onKnown called once it may be known; then it is asked again
   * @param resumed where its client comes back to
   */
  find(onKnown: () => void, resumed?: StreamPosition): Span | 'gone' | Error | undefined;
  /**
   * Whether it is known of all entries up to a place whether they are a part of it: only then is it asked about them.
   *
   * @param onKnown called once it may be known; then it is asked again
   */
  isKnownUpTo(place: StreamPosition, onKnown: () => void): boolean;
  /** Whether an entry of the topic is a part of it. */
  admits(entry: Entry): boolean;
  /** Whether an entry is the last part of it. */
  isLast(entry: Entry): boolean;
  /** The offset in the log of an epoch up to which that is known by now. */
  knownUpTo(epoch: string): number;
  /** Whether an entry up to there is a part of it that is not the last. */
  goesOnWith(entry: Entry): boolean;
  /** Makes one of neighbours that are replayed. */
  readonly merge?: ReplayMerge | undefined;
}

/** Complete and checked {@link StreamOptions}. */
export interface StreamPlan {
  readonly from: Cursor | StreamStart;
  readonly snapshot: ((why: SnapshotReason) => unknown) | undefined;
  readonly where: ((event: SseEvent) => unknown) | undefined;
  readonly latestPerKey: boolean;
  readonly notBefore: StreamPosition | undefined;
  readonly until: ((event: SseEvent) => unknown) | undefined;
  readonly announce: boolean;
  /** Of a stream that is a part of its topic. */
  readonly span?: SpanSource;
}

/** Of streams without options, which are most: one for all of them. */
const DEFAULT_PLAN: StreamPlan = Object.freeze({
  from: 'now',
  snapshot: undefined,
  where: undefined,
  latestPerKey: false,
  notBefore: undefined,
  until: undefined,
  announce: false,
});

const KNOWN = ['from', 'snapshot', 'where', 'latestPerKey', 'notBefore', 'until', 'announce'];

/** @throws SseError `BAD_OPTION` */
export function planStream(options: object): StreamPlan {
  const given = new GivenOptions('bus.stream()', 'options', options, KNOWN);
  if (Object.keys(options).length === 0) return DEFAULT_PLAN;
  const snapshot = given.function('snapshot');
  if (snapshot !== undefined && given.has('from')) {
    throw given.bad(
      'options',
      `with 'from' or 'snapshot', not both: a snapshot is the place that a new client begins at`,
      'both',
    );
  }
  return {
    from: fromOf(given),
    snapshot,
    where: given.function('where'),
    latestPerKey: given.boolean('latestPerKey', false),
    notBefore: boundaryOf(given),
    until: given.function('until'),
    announce: given.boolean('announce', false),
  };
}

function fromOf(given: GivenOptions): StreamPlan['from'] {
  const from = given.get('from') ?? 'now';
  const isCursor = typeof from === 'string' && parseCursor(from) !== undefined;
  if (isCursor || from === 'now' || from === 'earliest' || from === 'start') return from;
  if (from instanceof Date && !Number.isNaN(from.getTime())) return { since: from.getTime() };
  const last = typeof from === 'object' ? (from as { readonly last?: unknown }).last : undefined;
  if (typeof last === 'number' && Number.isSafeInteger(last) && last >= 0) return { last };
  throw given.bad('from', "'now', 'earliest', 'start', a cursor, { last: n } or a Date");
}

function boundaryOf(given: GivenOptions): StreamPosition | undefined {
  const cursor = given.get('notBefore');
  if (cursor === undefined) return undefined;
  const position = typeof cursor === 'string' ? parseCursor(cursor) : undefined;
  if (position !== undefined) return position;
  throw given.bad('notBefore', 'a cursor, such as publish() or bus.head gives');
}
