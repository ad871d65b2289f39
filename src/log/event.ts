import type { Cursor } from './cursor.js';
import type { Jsonify } from '../json.js';

/** What `data` is unless the application says more: what Nest's `MessageEvent` allows. */
export type AnyEvents = Record<string, string | object>;

/** `EventBus` without types is an `EventBus<object>`, as `app.get(EventBus)` gives it. */
type Named<Events extends object> = [keyof Events] extends [never] ? AnyEvents : Events;

/**
 * An event as subscribers see it: a Nest `MessageEvent` with own enumerable fields `id`, `type` and `data`,
 * frozen with all that it holds. `Events` maps event types to their data; an event without a type is of type `message`, as in
 * a browser.
 */
export type SseEvent<Events extends object = AnyEvents> = {
  [Type in keyof Named<Events> & string]: {
    /** The event's cursor; an event of a snapshot has none. */
    readonly id?: Cursor;
    readonly type?: Type;
    /** As JSON gives it back; a string as it was published. */
    readonly data: Jsonify<Named<Events>[Type]>;
    /** Not enumerable: neither `{ ...event }` nor JSON has it, so that no client gets it by accident. */
    readonly topics: readonly string[];
    /**
     * When it was published, in milliseconds since the Unix epoch; not there for an event of a snapshot. Not
     * enumerable either.
     */
    readonly at?: number | undefined;
  };
}[keyof Named<Events> & string];

/** An event as it is published. */
export type NewEvent<Events extends object = Record<string, unknown>> = {
  [Type in keyof Events & string]: (string extends Type
    ? { readonly type?: string | undefined }
    : Type extends 'message'
      ? { readonly type?: Type | undefined }
      : { readonly type: Type }) & {
    /** Anything that JSON holds. A string goes out as it is, line by line; the rest as JSON. */
    readonly data: Events[Type];
    /** What the event is about: `latestPerKey` keeps the last event of each key. */
    readonly key?: string | undefined;
  };
}[keyof Events & string];

/** Why a client has a gap: see {@link GapData}. */
export type GapReason = 'trimmed' | 'epoch' | 'unknown';

/**
 * The data of an `event: gap`.
 * - `trimmed`: the log has dropped events that the client missed;
 * - `epoch`: the cursor belongs to an earlier log, one that is gone;
 * - `unknown`: as far as anybody knows, no log ever issued that cursor.
 */
export interface GapData {
  readonly reason: GapReason;
  /** What the client asked to go on from; at most 128 characters of it. */
  readonly requested: string;
  /** Where it goes on instead. */
  readonly resumedAt: Cursor;
}
