import { AsyncLocalStorage } from 'node:async_hooks';
import { Logger } from '@nestjs/common';
import { Observable, type Subscriber } from 'rxjs';
import type { Backplane, PublishOptions } from '../backplane/backplane.js';
import type { Cursor } from '../log/cursor.js';
import type { AnyEvents, NewEvent, SseEvent } from '../log/event.js';
import type { Log } from '../log/log.js';
import type { TurnScheduler } from '../log/turn-scheduler.js';
import { JoinedFramesCache } from '../wire/joined-frames.js';
import { checkTopics, toRecord } from '../log/event-record.js';
import { type EventSchemas, validated } from '../log/standard-schema.js';
import { TopicMatcher } from '../log/matching.js';
import { SubscriberSink } from '../reader/subscriber-sink.js';
import { Publication } from './publication.js';
import { Reader } from '../reader/reader.js';
import type { ReaderContext } from '../reader/reader-context.js';
import { ReaderStream } from '../reader/reader-stream.js';
import { TopicCursor } from '../reader/topic-cursor.js';
import type { ConnectionPort } from '../reader/sink.js';
import { planStream, type StreamOptions, type StreamPlan } from '../reader/stream-options.js';
import { WaitingRoom } from '../reader/waiting-room.js';

/** What publishers may pass when the application names no event types. */
type Published<Events extends object> = AnyEvents extends Events ? Record<string, unknown> : Events;

/** One for all buses of the process: Node never lets go of a storage that was used. */
const currentConnection = new AsyncLocalStorage<{
  readonly bus: object;
  readonly connection: ConnectionPort;
}>();

/**
 * Publishes events to topics and streams them to clients. `Events` maps event types to their data, so
 * that both are checked: `EventBus<{ progress: { percent: number } }>`.
 */
export class EventBus<Events extends object = object> {
  readonly #log: Log;
  readonly #turn: TurnScheduler;
  readonly #backplane: Backplane;
  readonly #schemas: EventSchemas | undefined;
  readonly #logger = new Logger('EventBus');
  readonly #context: ReaderContext;

  /** @internal Made by `SseModule`. */
  constructor(log: Log, turn: TurnScheduler, backplane: Backplane, schemas?: EventSchemas) {
    this.#schemas = schemas;
    this.#log = log;
    this.#turn = turn;
    this.#backplane = backplane;
    const frames = new JoinedFramesCache();
    turn.onEnd(() => frames.clear());
    this.#context = {
      log,
      frames,
      isLocal: backplane.isLocal,
      waitingRoom: new WaitingRoom(() => backplane.catchUp()),
      warn: (message, error) => this.#warn(message, error),
    };
  }

  /** The place of the last event that this instance knows of. */
  get head(): Cursor {
    return this.#log.cursorAt(this.#log.head);
  }

  /**
   * Publishes an event to one topic or to several; a client that streams more than one of them gets it
   * once. Resolves with its cursor when the log has the event. Never throws; a failure that nobody awaits
   * is logged and is never an unhandled rejection.
   *
   * Rejects with an `SseError`: `BAD_TOPIC`; `BAD_EVENT` for a line break in `type`, the reserved types
   * `gap` and `exception`, data that JSON cannot hold or that does not meet its schema; `BACKPLANE_UNAVAILABLE` and
   * `BACKPLANE_CLOSED`, when it was not published; `PUBLISH_OUTCOME_UNKNOWN`, when it may have been.
   *
   * @example await bus.publish(`user.${id}`, { type: 'notification', data: { text: 'Hello' } });
   */
  publish(
    topics: string | readonly string[],
    event: NewEvent<Published<Events>>,
    options?: PublishOptions,
  ): Promise<Cursor> {
    return new Publication(this.#publish(topics, event, options), (error) =>
      this.#logger.error('A publish that nobody awaited failed', stackOf(error)),
    );
  }

  /**
   * The events of one topic, of several, or of all that a matcher selects: a plain string is always
   * literal. Returned from an `@Sse()` handler, it resumes at the client's `Last-Event-ID` (or
   * `?lastEventId=`) and stops reading while the client cannot take more. Called elsewhere it is an
   * ordinary live Observable, on which a gap is an event of type `gap`.
   *
   * @throws SseError `BAD_TOPIC`, `BAD_OPTION`
   * @example return this.bus.stream(['news', `user.${id}`], { where: ({ type }) => type !== 'draft' });
   */
  stream(
    topics: string | readonly string[] | TopicMatcher,
    options: StreamOptions<Events, Published<Events>> = {},
  ): Observable<SseEvent<Events>> {
    const selected = topics instanceof TopicMatcher ? topics : checkTopics(topics);
    const plan = planStream(options);
    const connection = this.#connection;
    const stream = new Observable<SseEvent>((subscriber) => {
      if (connection === undefined || connection.isEnded) {
        if (connection?.isSilent !== true) return this.#subscribe(selected, plan, subscriber);
      } else {
        return this.runFor(connection, () => this.#join(connection, selected, plan, subscriber));
      }
      return undefined;
    });
    return stream as Observable<SseEvent<Events>>;
  }

  /** @internal Calls `work` so that the streams which it opens find their connection. */
  runFor<T>(connection: ConnectionPort, work: () => T): T {
    return currentConnection.run({ bus: this, connection }, work);
  }

  /** The connection that the caller works for, unless it is one of another application. */
  get #connection(): ConnectionPort | undefined {
    const found = currentConnection.getStore();
    return found?.bus === this ? found.connection : undefined;
  }

  /** Opens a stream outside of any connection. */
  #subscribe(
    topics: readonly string[] | TopicMatcher,
    plan: StreamPlan,
    subscriber: Subscriber<SseEvent>,
  ): () => void {
    const sink = new SubscriberSink(this.#turn, subscriber);
    const reader = (sink.reader = new Reader(this.#context, sink, undefined));
    const selection = new TopicCursor(this.#context, topics, sink);
    const joined = new ReaderStream(selection, plan, subscriber, this.#context.warn, 'subscriber');
    reader.join(joined);
    return () => reader.leave(joined);
  }

  /** Opens a stream on a connection. */
  #join(
    connection: ConnectionPort,
    topics: readonly string[] | TopicMatcher,
    plan: StreamPlan,
    subscriber: Subscriber<SseEvent>,
  ): () => void {
    const reader = (connection.reader ??= new Reader(
      this.#context,
      connection,
      connection.lastEventId,
    ));
    const selection = new TopicCursor(this.#context, topics, connection);
    const end = connection.directOutputFor(subscriber);
    const way = end === undefined ? 'operators' : 'direct';
    const joined = new ReaderStream(selection, plan, end ?? subscriber, this.#context.warn, way);
    reader.join(joined);
    return () => reader.leave(joined);
  }

  async #publish(topics: unknown, event: unknown, options?: PublishOptions): Promise<Cursor> {
    const record = toRecord(checkTopics(topics), validated(this.#schemas, event));
    return this.#backplane.publish(record, options);
  }

  #warn(message: string, error?: unknown): void {
    if (error === undefined) this.#logger.warn(message);
    else this.#logger.error(message, stackOf(error));
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
