import { Logger } from '@nestjs/common';
import { Observable, type Subscriber } from 'rxjs';
import { isA, renderError, SseError } from '../errors.js';
import type { Backplane, PublishOptions } from '../backplane/backplane.js';
import type { Cursor } from '../log/cursor.js';
import type { Entry, EventRecord } from '../log/entry.js';
import type { AnyEvents, NewEvent, SseEvent } from '../log/event.js';
import type { Concealment } from '../log/json-faults.js';
import type { Log } from '../log/log.js';
import type { TurnScheduler } from '../log/turn-scheduler.js';
import { JoinedFramesCache } from '../wire/joined-frames.js';
import { MAX_EVENT_BYTES, toRecord } from '../log/event-record.js';
import { type EventSchemas, validated } from '../log/standard-schema.js';
import { isInternal } from '../log/internal-topics.js';
import type { TopicMatcher } from '../log/matching.js';
import { topicEnd } from '../log/topic-end.js';
import { RetentionRules } from '../log/retention.js';
import { type Binding, Bindings, type ChainOf } from './bindings.js';
import { CallSite } from './call-site.js';
import { Publication } from './publication.js';
import { type EventOptions, exceptedBy } from './event-options.js';
import { checkPublishOptions } from './publish-options.js';
import { PublishOutcomes } from './publish-outcomes.js';
import type { PublishTracer } from './publish-tracer.js';
import { type Selection, StreamSubscription } from './stream-subscription.js';
import { literalTopics, streamTopics } from './stream-topics.js';
import type { ReaderContext } from '../reader/reader-context.js';
import { ArchivePages } from '../reader/archive-pages.js';
import { KeptHistory } from '../reader/kept-history.js';
import { TopicSubjects } from '../reader/topic-subjects.js';
import type { ConnectionPort } from '../reader/sink.js';
import { planStream, type StreamOptions, type StreamPlan } from '../reader/stream-options.js';
import { WaitingRoom } from '../reader/waiting-room.js';

/** Of an error that is not an `SseError`, as a backplane of somebody else's may give it. */
const OTHER_CODE = '_OTHER';

/** A page of what is kept for this package itself: events, and bytes. */
const KEPT_PAGE = { maxEvents: 1_000, maxBytes: 1_048_576 };

/** What publishers may pass when the application names no event types. */
type Published<Events extends object> = AnyEvents extends Events ? Record<string, unknown> : Events;

/** What of the module's options the bus needs. */
interface EventBusOptions {
  readonly maxEventBytes?: number;
  readonly rules?: RetentionRules;
  /** What class-transformer would keep back of what is published. */
  readonly conceals?: Concealment | undefined;
  readonly schemas?: EventSchemas | undefined;
  /** Whether an ordinary route answers with the last of what a subscriber gets. */
  readonly isAwaited?: (subscriber: object) => boolean;
}

/** What an entry of this package itself may have beside its data. */
interface InternalEntryOptions extends PublishOptions {
  readonly type?: string;
  readonly key?: string;
}

/** A page of what is kept of a topic. */
interface KeptEntries {
  readonly entries: readonly Entry[];
  /** It is complete up to here. */
  readonly upTo: number;
  /** The last offset up to which the topic may have lost events. */
  readonly lost: number;
}

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
  readonly #bindings: Bindings;
  readonly #isAwaited: (subscriber: object) => boolean;
  readonly #said = new Set<string>();
  readonly #maxEventBytes: number;
  #isClosed = false;
  readonly #underWay = new Set<Promise<Cursor>>();
  /** @internal What became of what the application has published. */
  readonly outcomes = new PublishOutcomes();
  /** @internal Undefined unless publishes are traced. */
  tracer: PublishTracer | undefined;

  /** @internal Made by `SseModule`. */
  constructor(
    log: Log,
    turn: TurnScheduler,
    backplane: Backplane,
    chainOf: ChainOf,
    {
      maxEventBytes = MAX_EVENT_BYTES,
      rules = new RetentionRules(),
      conceals,
      schemas,
      isAwaited = () => false,
    }: EventBusOptions = {},
  ) {
    this.#bindings = new Bindings(chainOf);
    this.#isAwaited = isAwaited;
    this.#maxEventBytes = maxEventBytes;
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
      subjects: new TopicSubjects(turn),
      conceals,
      waitingRoom: new WaitingRoom(() => backplane.catchUp()),
      history: this.#historyOf(rules),
      warn: (message, error) => this.#warn(message, error),
      warnOnce: (message) => {
        if (!this.#said.has(message)) this.#warn(message);
        this.#said.add(message);
      },
    };
  }

  /** The cursor of the last event that this instance knows of. */
  get head(): Cursor {
    return this.#log.cursorAt(this.#log.head);
  }

  /**
   * Publishes an event to one topic or to several; a client that streams more than one of them gets it
   * once. Resolves with its cursor when the log has the event. Never throws; a failure that nobody awaits
   * is logged and is never an unhandled rejection.
   *
   * Rejects with an `SseError`: `BAD_TOPIC`; `BAD_EVENT` for an unknown field, a line break in `type`, a
   * reserved type, data that JSON does not hold as it is (a `Map`, a promise, `NaN`, …) or more of it than
   * `maxEventBytes`, data that does not meet its schema, and an instance of which class-transformer would keep
   * something back; `BAD_OPTION`; `BACKPLANE_UNAVAILABLE` and `BACKPLANE_CLOSED`, when it was not published;
   * `PUBLISH_OUTCOME_UNKNOWN`, when it may have been.
   *
   * @example await bus.publish(`user.${id}`, { type: 'notification', data: { text: 'Hello' } });
   */
  publish(
    topics: string | readonly string[],
    event: NewEvent<Published<Events>>,
    options?: EventOptions,
  ): Promise<Cursor> {
    return Publication.of(this.#publish(topics, event, options), this.#onUnawaited);
  }

  /**
   * Ends topics, after all that was published to them before: their streams complete, on every instance, and a client
   * that comes later is answered 204, which keeps an EventSource away for good, until something is published to the
   * topic again. One that comes back to where it was before the end gets the rest first. A stream of several topics
   * completes when all of them have ended, one of a matcher never does. Resolves with the cursor of the end.
   *
   * The end is an entry of the log, and known for as long as that is kept: of a topic with a rule in
   * `history.topics` as long as the rule says, else as long as the tail holds it.
   *
   * Rejects as `publish` does; never throws.
   *
   * @example await bus.complete(`job.${id}`);
   */
  complete(topics: string | readonly string[]): Promise<Cursor> {
    const ended = async () => this.#order(topicEnd(this.#topicsOf(topics, 'bus.complete()')));
    return Publication.of(ended(), (error) =>
      this.#logger.error('The end of a topic that nobody awaited failed', renderError(error)),
    );
  }

  /**
   * The events of one topic, of several, or of all that a matcher selects: a plain string is always
   * literal. Where its events go to a client of an `@Sse()` handler, directly or through operators, it resumes
   * at that client's `Last-Event-ID` (or `?lastEventId=`) and stops reading while the client cannot take
   * more. Elsewhere it is an ordinary live Observable, on which a gap is an event of type `gap`.
   *
   * @throws SseError `BAD_TOPIC`, `BAD_OPTION`
   * @example return this.bus.stream(['news', `user.${id}`], { where: ({ type }) => type !== 'draft' });
   */
  stream(
    topics: string | readonly string[] | TopicMatcher,
    options: StreamOptions<Events, Published<Events>> = {},
  ): Observable<SseEvent<Events>> {
    const selected = streamTopics(topics, this.#context.warnOnce);
    return this.#stream({ topics: selected, plan: planStream(options) }) as Observable<
      SseEvent<Events>
    >;
  }

  /** @internal Puts an entry of this package itself into the log, for every instance. */
  async publishInternal(
    topics: string | readonly string[],
    data: object,
    { idempotencyKey, ...fields }: InternalEntryOptions = {},
  ): Promise<Cursor> {
    const list = typeof topics === 'string' ? [topics] : topics;
    return this.#order(toRecord(list, { ...fields, data }), { idempotencyKey });
  }

  /** @internal As `stream`, of topics of this package itself. */
  streamInternal(topics: readonly string[], options: object): Observable<SseEvent> {
    return this.#stream({ topics, plan: planStream(options) });
  }

  /**
   * @internal The entries of this package itself under some topics; a gap is an event of type `gap`.
   *
   * @param options where it begins: by default with what is published from now on
   */
  follow(
    topics: string | readonly string[],
    options: Pick<StreamOptions, 'from' | 'announce'> = {},
  ): Observable<SseEvent> {
    const names = typeof topics === 'string' ? [topics] : topics;
    const selection = { topics: names, plan: planStream(options) };
    return new Observable((subscriber) => {
      const stream = new StreamSubscription(this.#context, this.#turn, selection, subscriber);
      stream.openAlone();
      return () => stream.close();
    });
  }

  /**
   * @internal A stream of a part of a topic of this package itself.
   *
   * @param plan made for each subscription, and told what to do when that is over
   */
  streamSpan(
    topic: string,
    plan: (onClose: (work: () => void) => void) => StreamPlan,
  ): Observable<SseEvent> {
    const madeFor = this.#bindings.current;
    return new Observable((subscriber) => {
      const selection = { topics: [topic], plan: plan((work) => subscriber.add(work)) };
      return this.#open(selection, subscriber, madeFor, undefined);
    });
  }

  /** @internal What a reader of the caller's own needs. */
  get reading(): { readonly context: ReaderContext; readonly turn: TurnScheduler } {
    return { context: this.#context, turn: this.#turn };
  }

  /** @internal The connection that the caller works for, of this bus. */
  get connection(): ConnectionPort | undefined {
    return this.#bindings.current?.connection;
  }

  /**
   * @internal An event as {@link publish} checks it, for topics of this package itself.
   *
   * @throws SseError `BAD_EVENT`
   */
  encode(topics: readonly string[], event: unknown): EventRecord {
    return toRecord(topics, validated(this.#schemas, event), {
      maxBytes: this.#maxEventBytes,
      conceals: this.#context.conceals,
    });
  }

  /** @internal Publishes what was checked; a rejection is the caller's to see to. */
  order(record: EventRecord, options?: PublishOptions): Promise<Cursor> {
    return this.#order(record, options);
  }

  /** @internal The log of this instance, to be read. */
  get log(): Pick<Log, 'archived' | 'epoch' | 'head' | 'holeAfter' | 'indexOf' | 'release'> {
    return this.#log;
  }

  /**
   * @internal A page of what is kept of a topic after an offset, and up to another. Waits until the archive answers;
   * undefined if there is none, or nobody wants it any more.
   */
  async readKept(
    topic: string,
    after: number,
    upTo: number,
    isWanted: () => boolean,
  ): Promise<KeptEntries | undefined> {
    const { history } = this.#context;
    const { epoch } = this.#log;
    const bounds = { after, upTo, ...KEPT_PAGE };
    const found = await history?.pages.ask(
      (archive) => archive.read({ topics: [topic], epoch, ...bounds }),
      isWanted,
    );
    if (found === undefined) return undefined;
    const { events, upTo: reached, lost } = found.answer;
    const entries = events.map(({ offset, record }) => this.#log.archived(offset, record));
    return { entries, upTo: reached, lost };
  }

  /** @internal Calls `ending` at the end of each round of readers. */
  onRound(ending: () => void): void {
    this.#turn.onEnd(ending);
  }

  /** @internal Resolves when this instance has all that was ordered when it was called: the broker is asked at once. */
  catchUp(): Promise<void> {
    return this.#backplane.catchUp({ atOnce: true });
  }

  /** @internal Emits when something comes to a topic, or is lost, before anybody reads on. */
  changes(topic: string): Observable<void> {
    const { log, subjects } = this.#context;
    return new Observable((subscriber) => {
      const index = log.indexOf(topic);
      const reader = { run: () => {} };
      const subject = subjects.join(index, reader);
      const subscription = subject.subscribe(subscriber);
      return () => {
        subscription.unsubscribe();
        subjects.leave(index, reader);
        log.release(topic);
      };
    });
  }

  /** @internal Resolves when the publishes that are under way have come to their end, whichever. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  /** @internal Frames that were joined in this turn, by readers and by connections. */
  get frames(): JoinedFramesCache {
    return this.#context.frames;
  }

  /** @internal From now on there is nothing to stream. */
  close(): void {
    this.#isClosed = true;
  }

  /**
   * @internal Calls `work` for a connection.
   *
   * @param receiver of RxJS: who is subscribed to what the handler returns; streams that lead there are the
   * connection's
   */
  runFor<T>(connection: ConnectionPort, work: () => T, receiver?: object): T {
    return this.#bindings.run(connection, work, receiver);
  }

  #stream(selection: Selection): Observable<SseEvent> {
    const madeFor = this.#bindings.current;
    const callSite = madeFor === undefined ? new CallSite() : undefined;
    return new Observable((subscriber) => this.#open(selection, subscriber, madeFor, callSite));
  }

  #open(
    selection: Selection,
    subscriber: Subscriber<SseEvent>,
    madeFor: Binding | undefined,
    callSite: CallSite | undefined,
  ): (() => void) | undefined {
    if (subscriber.closed) return undefined;
    if (this.#isClosed) {
      subscriber.complete();
      return undefined;
    }
    const subscription = new StreamSubscription(this.#context, this.#turn, selection, subscriber);
    const own = this.#bindings.of(subscriber);
    if (own !== undefined) {
      // Nothing that is handed out for a connection that has ended arrives anywhere.
      if (own.connection.isEnded) return undefined;
      own.run(() => subscription.join(own.connection));
      return () => subscription.close();
    }
    const { current } = this.#bindings;
    // What was made for one client and is opened for another, or for nobody, is shared.
    const hint = madeFor?.connection === current?.connection ? current : undefined;
    if (hint?.connection.isSilent === true) return undefined;
    if (hint === undefined || !mayHost(hint.connection)) {
      if (callSite !== undefined && this.#isAwaited(subscriber)) this.#warnOfRoute(callSite);
      subscription.openAlone();
    } else {
      hint.run(() => subscription.joinAsGuest(hint.connection));
    }
    return () => subscription.close();
  }

  #warnOfRoute(callSite: CallSite): void {
    this.#context.warnOnce(
      `A route that is no @Sse() route returned bus.stream(), called at ${callSite.toString()}: Nest waits for the ` +
        'last event, and there is none, so it never answers. Write @Sse() in the place of @Get(), or end the ' +
        'stream: take(1), for instance',
    );
  }

  #historyOf(rules: RetentionRules): KeptHistory | undefined {
    const { archive } = this.#backplane;
    if (archive === undefined) return undefined;
    const pages = new ArchivePages({
      archive,
      epoch: () => this.#log.epoch,
      toEntry: ({ offset, record }) => this.#log.archived(offset, record),
      warn: (message, error) => this.#warn(message, error),
    });
    return new KeptHistory(archive, pages, rules);
  }

  readonly #onUnawaited = (error: unknown): void =>
    this.#logger.error('A publish that nobody awaited failed', renderError(error));

  /** Never throws. */
  #publish(topics: unknown, event: unknown, options?: EventOptions): Promise<Cursor> {
    try {
      const record = this.encode(this.#topicsOf(topics, 'bus.publish()'), event);
      const except =
        options === undefined
          ? undefined
          : exceptedBy(checkPublishOptions('bus.publish()', options, ['except']));
      return this.#trace(except === undefined ? record : { ...record, except }, options);
    } catch (error) {
      return failed(error);
    }
  }

  #topicsOf(topics: unknown, taker: string): readonly string[] {
    return literalTopics(topics, taker, 'Name each topic that is meant', this.#context.warnOnce);
  }

  #trace(record: EventRecord, options?: EventOptions): Promise<Cursor> {
    if (this.tracer === undefined) return this.#order(record, options);
    const traced = this.tracer.begin();
    const { trace } = traced;
    const publication = this.#order({ ...record, trace }, options);
    publication.then(
      (cursor) => traced.end(cursor),
      (error: unknown) => traced.end(undefined, error),
    );
    return publication;
  }

  #order(record: EventRecord, options?: PublishOptions): Promise<Cursor> {
    const began = performance.now();
    const publication = this.#backplane.publish(record, options);
    this.#underWay.add(publication);
    const settle = (code?: string) => {
      this.#underWay.delete(publication);
      if (!record.topics.some(isInternal)) this.outcomes.note(performance.now() - began, code);
    };
    publication.then(
      () => settle(),
      (error: unknown) => settle(isA(error, SseError) ? error.code : OTHER_CODE),
    );
    return publication;
  }

  #warn(message: string, error?: unknown): void {
    if (error === undefined) this.#logger.warn(message);
    else this.#logger.error(message, renderError(error));
  }
}

async function failed(error: unknown): Promise<never> {
  throw error;
}

/** Whether streams may join that only their async context ties to this connection. */
function mayHost({ isEnded, reader }: ConnectionPort): boolean {
  return !isEnded && reader?.streams.isHost !== false;
}
