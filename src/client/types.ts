import type { Jsonify } from '../json.js';

/** What the server itself tells, beside the events of the application. */
export interface ServerEventMap {
  /** The log no longer holds what this client missed: fetch the state again, see `onGap`. */
  gap: {
    readonly reason: 'trimmed' | 'epoch' | 'unknown';
    readonly requested: string;
    readonly resumedAt: string;
  };
  /** The stream has failed on the server: a message that is meant for clients. */
  exception: string;
  /** The stream is open. `heartbeatInterval` in milliseconds, `false` for none. */
  ready: {
    readonly cursor: string;
    readonly resumed: boolean;
    readonly heartbeatInterval: number | false;
  };
  /** Everything that was missed, or the snapshot, has been sent: what follows is live. */
  'caught-up': { readonly cursor: string; readonly replayed: number };
  /** A run has ended; the client does not come back once the response ends too. */
  'run-end': {
    readonly status: 'done' | 'failed' | 'stopped' | 'lost';
    readonly error?: string;
  };
  /** The server has closed this connection for good: the client does not come back. */
  closed: { readonly reason: string };
}

/** The events of the application as they arrive: a `Date` that was published is its text. */
export type ArrivingEvents<Events> = { [Type in keyof Events]: Jsonify<Events[Type]> };

/** The events of the application, and those of the server. */
export type AllEvents<Events> = Omit<ArrivingEvents<Events>, keyof ServerEventMap> & ServerEventMap;

/** One event of a type. */
export interface TypedEvent<Type, Data> {
  readonly type: Type;
  /** JSON where it is JSON, else the text as it came. */
  readonly data: Data;
  /** The cursor from which a client goes on after this event; '' if there is none. */
  readonly id: string;
}

/** Any event of a map of types to their data. */
export type EventOf<Events> = {
  [Type in keyof Events & string]: TypedEvent<Type, Events[Type]>;
}[keyof Events & string];

/**
 * - `connecting`: a request is on its way.
 * - `catching-up`: missed events arrive (between `ready` and `caught-up`), or `onGap` fetches the state.
 * - `live`: connected.
 * - `waiting`: for the next attempt.
 * - `closed`: for good, by `close()`, the server or an error.
 */
export type EventsState = 'connecting' | 'catching-up' | 'live' | 'waiting' | 'closed';

/** What a component shows; another object with every change, the same one in between. */
export interface EventsSnapshot<Events> {
  readonly state: EventsState;
  /** The newest event. */
  readonly event: EventOf<AllEvents<Events>> | undefined;
  /** Why the last attempt failed; with the state `closed`, why there is no other. */
  readonly error: Error | undefined;
}

/** Headers of one attempt. */
export type EventsHeaders = Record<string, string>;

/** Tabs that share though their URLs differ; made by `uniteTopics` of `nestjs-event-stream/client/topics`. */
export interface UnitedTopics {
  /** @internal */
  readonly unite: (...parts: never[]) => unknown;
}

/** Everything that `fetch` takes (`method`, `body`, `credentials`, `mode` …), and: */
export interface EventsOptions extends Omit<RequestInit, 'headers' | 'signal'> {
  /**
   * Headers, or what gives them for each attempt. It is called with the status `401` or `403` when the
   * server has refused the headers before, once; if the new ones are refused too, that is the end.
   */
  readonly headers?:
    | EventsHeaders
    | ((refused: number | undefined) => EventsHeaders | Promise<EventsHeaders>)
    | undefined;
  /** Where to go on from: a cursor kept from before. Without it the server decides, by default from now. */
  readonly lastEventId?: string | undefined;
  /**
   * Whether a request other than GET may be sent again, with the cursor, after its connection was lost. Its body
   * cannot be a stream then.
   *
   * @defaultValue false
   */
  readonly resumable?: boolean | undefined;
  /**
   * Milliseconds after which a silent server sends a heartbeat, if it does not say so itself in the header
   * `SSE-Heartbeat-Interval`. A silence of two and a half of them is a dead connection. 0 for none.
   *
   * @defaultValue 30_000
   */
  readonly heartbeatInterval?: number | undefined;
  /**
   * Milliseconds between attempts, until the server says it in `retry:`. They are drawn from half of it to one
   * and a half, and double with each failure, up to 30 seconds or to `retry` if that is more.
   *
   * @defaultValue 3_000
   */
  readonly retry?: number | undefined;
  /**
   * One connection for all tabs that show the same URL to the same user. `true` where nobody else can sign
   * in meanwhile: with `headers`, tabs with other headers do not share; with cookies, name the user. For tabs
   * with different topics, `uniteTopics` of `nestjs-event-stream/client/topics`.
   *
   * @defaultValue false
   */
  readonly share?: boolean | string | UnitedTopics | undefined;
  /** Instead of the `fetch` of the platform. */
  readonly fetch?: typeof fetch | undefined;
}

/** An observer as RxJS and others have it. */
export interface EventsObserver<Event> {
  next?(event: Event): void;
  error?(error: Error): void;
  complete?(): void;
}

/** A connection to an SSE route that stays until it is closed. */
export interface ServerEvents<Events> extends AsyncIterable<EventOf<AllEvents<Events>>> {
  readonly state: EventsState;
  /** The cursor after everything that was dispatched; keep it, and give it as `lastEventId` another time. */
  readonly lastEventId: string;
  /**
   * Calls for each event of a type.
   *
   * @returns what ends that
   */
  on<Type extends keyof AllEvents<Events> & string>(
    type: Type,
    listener: (event: TypedEvent<Type, AllEvents<Events>[Type]>) => unknown,
  ): () => void;
  /**
   * Called when events were missed for good. Events that follow wait until what it returns is settled; if
   * it rejects, the client reconnects at its old cursor and is told of the gap again.
   *
   * @returns what ends that
   */
  onGap(refetch: (gap: ServerEventMap['gap']) => unknown): () => void;
  /** Reconnects elsewhere, at the cursor: another URL, or another query of the same. */
  update(change: {
    readonly url?: string | URL | undefined;
    readonly query?: Record<string, string> | URLSearchParams | string | undefined;
  }): void;
  /** Nothing is dispatched after it. */
  close(): void;
  /** Calls with every change of the snapshot, for `useSyncExternalStore` and its like. */
  readonly subscribe: (onChange: () => void) => () => void;
  readonly getSnapshot: () => EventsSnapshot<Events>;
  /** For RxJS: `from(events)`. */
  '@@observable'(): {
    subscribe(observer: EventsObserver<EventOf<AllEvents<Events>>>): { unsubscribe(): void };
  };
}
