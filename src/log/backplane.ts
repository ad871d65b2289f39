import type { Cursor } from './cursor.js';
import type { EventRecord } from './entry.js';

/** How much of the log an instance keeps in memory. The first bound that is passed trims. */
export interface History {
  readonly maxEvents: number;
  /** Bytes: the encoded events, and 256 for each. */
  readonly maxBytes: number;
  /** Milliseconds, or false for no bound. */
  readonly maxAge: number | false;
}

/** Where a backplane puts what it has ordered: the log of one instance. */
export abstract class LogSink {
  abstract readonly epoch: string;
  /** The offset of the last event that the log knows of. */
  abstract readonly head: number;
  /** Begins a log, or another one: nothing up to `offset` is held. Every reader of the one before has a gap. */
  abstract reset(epoch: string, offset: number): void;
  /** @throws SseError if `offset` is not the one after `head` */
  abstract append(offset: number, record: EventRecord): void;
  /** The events after `head` up to `offset` are gone. Every reader that crosses them has a gap. */
  abstract lose(offset: number): void;
}

/** How an instance stands with its backplane, for a readiness probe. */
export interface BackplaneHealth {
  readonly isConnected: boolean;
  /** When the backplane last told this instance something, or undefined if it never has. */
  readonly lastReadAt: Date | undefined;
  /** Events that are ordered but have not reached this instance, as far as it knows. */
  readonly lagEvents: number;
  /** How long, in milliseconds, this instance has been behind; 0 when it is not. */
  readonly lagMs: number;
}

export interface PublishOptions {
  /**
   * Names this publish: a second one of the same key, within the backplane's window, adds nothing and
   * resolves with the cursor of the first.
   */
  readonly idempotencyKey?: string | undefined;
}

/**
 * Orders events for every instance of the application and keeps the most recent of them.
 *
 * 1. Offsets grow by exactly one; two instances never disagree about an offset.
 * 2. A published event comes back through the sink, on the instance that published it as well.
 * 3. What was lost is announced to the sink before anything newer.
 * 4. `open` resets the sink once, appends the retained tail, and resolves when the instance has caught up.
 * 5. An epoch is never used for two logs: when events that were handed out are gone, a new epoch begins.
 * 6. Epochs grow: compared as strings, that of a later log is greater.
 * 7. `catchUp` resolves when the sink has everything that was ordered when it was called, and never rejects:
 *    while the broker is away it stays pending, and `close` ends that.
 * 8. `publish` resolves with the cursor once the event is ordered and kept, or rejects with an `SseError`
 *    within a bound; it never throws.
 * 9. Publishes of one caller keep their order.
 * 10. A publish whose `idempotencyKey` was used before gives the first cursor and adds nothing.
 * 11. `close` ends everything that `open` began, waits for nothing that may never come, and can be called
 *     twice; afterwards `publish` rejects.
 * 12. `health` can be read at any time and never throws.
 *
 * `backplaneConformance` in `nestjs-event-stream/testing` checks an implementation against this list.
 */
export abstract class Backplane {
  /** Whether this instance orders the events itself, so that no cursor can be ahead of its log. */
  readonly isLocal: boolean = false;

  /**
   * Begins to feed the log: resets the sink once, appends the retained tail, and goes on from there until
   * `close`. Called once, when the application starts.
   *
   * @param history how much of the log the sink keeps; no more than that has to be retained
   * @returns resolved when the sink has what was ordered before the call
   * @throws whatever makes the start impossible: the application does not start then
   */
  abstract open(sink: LogSink, history: History): Promise<void>;
  /**
   * Orders one event for all instances. It reaches the sinks, that of this instance too, in its own time.
   *
   * @returns the event's cursor, once it is ordered and kept
   * @throws SseError as a rejection, within a bound; `BACKPLANE_CLOSED` after `close`
   */
  abstract publish(record: EventRecord, options?: PublishOptions): Promise<Cursor>;
  /**
   * Tells whether a cursor that is ahead of the log may yet come. Called for many clients at once, so it should
   * cost the broker next to nothing.
   *
   * @returns resolved when the sink has everything that was ordered when it was called; never rejected, and
   *   pending for as long as the broker is away
   */
  abstract catchUp(): Promise<void>;
  /**
   * Ends everything that `open` began, and waits for nothing that may never come. May be called twice;
   * afterwards `publish` rejects.
   */
  abstract close(): Promise<void>;
  /** How this instance stands, from memory: it asks nobody, and never throws. */
  abstract readonly health: BackplaneHealth;
}
