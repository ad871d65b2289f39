import { SseError } from '../errors.js';
import type { Archive } from './archive.js';
import type { Cursor } from '../log/cursor.js';
import type { EventRecord } from '../log/entry.js';
import type { History, LogSink } from '../log/log-sink.js';
import type { TopicRetention } from '../log/retention.js';
import { type BackplaneLogger, consoleLogger } from './backplane-logger.js';

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
  /**
   * @internal Names what has to stay in its order, whatever fails: when one of them is not known to be published, those
   * that wait behind it are not published either.
   */
  readonly sequence?: string | undefined;
}

export interface CatchUpOptions {
  /**
   * Whether to ask the broker now rather than when the instance asks it anyway: for shutting down, not for
   * each client that comes back.
   *
   * @defaultValue false
   */
  readonly atOnce?: boolean | undefined;
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
 *    while the broker is away it stays pending, and `close` ends that. With `atOnce` it also counts what this
 *    instance had begun to publish, and does not wait for an occasion to ask the broker.
 * 8. `publish` resolves with the cursor once the event is ordered and kept, or rejects within a bound with an
 *    `SseError`: `PUBLISH_OUTCOME_UNKNOWN` if the event may have been kept, any other if it was not; it never
 *    throws.
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

  /** What outlived the tail; undefined for a backplane that keeps nothing else. It can be asked once it is open. */
  get archive(): Archive | undefined {
    return undefined;
  }

  /**
   * Where a backplane says what its operators should know: `SseModule` sets Nest's `Logger`.
   *
   * @defaultValue the console
   */
  logger: BackplaneLogger = consoleLogger(this.constructor.name);

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
   * Instead of `open`, for `createPublisher()`: afterwards `publish` and `close` work as they are described,
   * and nothing is read. A backplane that reaches no other process leaves it as it is.
   *
   * @param topics which topics are kept beyond the log, as the instances have it in `history.topics`, where those have
   *   not said so themselves
   * @throws SseError `BAD_OPTION` unless it is overridden
   */
  openToPublish(topics?: readonly TopicRetention[]): void;
  openToPublish(): void {
    throw new SseError(
      'BAD_OPTION',
      `${this.constructor.name} cannot publish from outside the application that it belongs to: ` +
        'createPublisher() needs one that instances share, such as redisBackplane({ url }) or sqliteBackplane({ path })',
    );
  }

  /**
   * Orders one event for all instances. It reaches the sinks, that of this instance too, in its own time.
   *
   * @returns the event's cursor, once it is ordered and kept
   * @throws SseError as a rejection, within a bound; `BACKPLANE_CLOSED` after `close`
   */
  abstract publish(record: EventRecord, options?: PublishOptions): Promise<Cursor>;
  /**
   * Tells whether a cursor that is ahead of the log may yet come. Called for many clients at once, so it should
   * cost the broker next to nothing, unless it is asked to look at once.
   *
   * @returns resolved when the sink has everything that was ordered when it was called; never rejected, and
   *   pending for as long as the broker is away
   */
  abstract catchUp(options?: CatchUpOptions): Promise<void>;
  /**
   * Ends everything that `open` began, and waits for nothing that may never come. May be called twice;
   * afterwards `publish` rejects.
   */
  abstract close(): Promise<void>;
  /** How this instance stands, from memory: it asks nobody, and never throws. */
  abstract readonly health: BackplaneHealth;
}
