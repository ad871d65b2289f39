import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { type Observable, Subject } from 'rxjs';
import { apartFromConnections } from '../bus/bindings.js';
import type { EventBus } from '../bus/event-bus.js';
import { PulledStream } from '../bus/pulled-stream.js';
import { received, renderError, SseError } from '../errors.js';
import { type Cursor, parseCursor } from '../log/cursor.js';
import type { EventRecord } from '../log/entry.js';
import type { SseEvent } from '../log/event.js';
import { GivenOptions } from '../options.js';
import type { ProfileMessage } from '../profiles/profile.js';
import type { ProfileOptions } from '../profiles/profile-options.js';
import { ProfiledStream } from '../profiles/profiled-stream.js';
import { OwnerWatch } from './owner-watch.js';
import { endKey, OwnRun, type OwnRunContext } from './own-run.js';
import { Merges } from './merges.js';
import type { RunsOptions } from './options.js';
import { RunRegistry } from './registry.js';
import type { Run, RunInfo } from './run.js';
import { endRecord, registryRecord, type RunEntry } from './run-entry.js';
import { type RunReading, type RunReadingContext, RunSpan } from './run-span.js';
import { checkRunId, newToken, topicOf } from './run-topics.js';
import { type RunStreamOptions, runStreamOf } from './stream-options.js';
import { checkSource, type RunFactory, type RunSource } from './source.js';

/** Options of a run: times in milliseconds, sizes in bytes. */
export interface RunOptions {
  /**
   * How long it can be read after its end.
   *
   * @defaultValue `keepFor` of `SseRunsModule`
   */
  readonly keepFor?: number | undefined;
  /**
   * Bytes of its data, types and keys; with more it ends as `failed`.
   *
   * @defaultValue `maxBytes` of `SseRunsModule`
   */
  readonly maxBytes?: number | undefined;
  /**
   * What happens if there is a run of that id, live or still to be read, on any instance: `'join'` leaves it at that,
   * `'reject'` rejects with `RUN_EXISTS`, `'replace'` stops it and starts another.
   *
   * @defaultValue 'join'
   */
  readonly onExisting?: 'join' | 'reject' | 'replace' | undefined;
}

/** What `start` resolves with: the run, and whether this call has started it. */
export interface StartedRun extends RunInfo {
  readonly isNew: boolean;
}

/** Something that has happened to a run, as the log says it. */
export interface RunChange {
  readonly type: 'started' | 'ended';
  readonly run: RunInfo;
  /** Whether it was this instance that started or ended it: of all instances it is so on one. */
  readonly isOwn: boolean;
}

interface Checked {
  readonly keepFor: number;
  readonly maxBytes: number;
  readonly onExisting: 'join' | 'reject' | 'replace';
}

/** Streams that begin and end, and can be joined, reloaded and stopped, on whichever instance. */
export class SseRuns {
  /**
   * What happens to runs, for persisting the result of those that end for instance. It begins when the application has
   * started, with what there was by then: subscribe in a constructor, or in `onModuleInit`.
   */
  readonly events$: Observable<RunChange>;
  readonly #bus: EventBus;
  readonly #options: RunsOptions;
  readonly #registry: RunRegistry;
  readonly #watch: OwnerWatch;
  readonly #context: OwnRunContext;
  readonly #instance = randomUUID();
  readonly #changes = new Subject<RunChange>();
  /** What has happened before anybody could be told; undefined when the application has started. */
  #untold: RunChange[] | undefined = [];
  readonly #logger = new Logger('SseRuns');
  readonly #reading: RunReadingContext;
  /** Claims of this instance that are on their way. */
  readonly #claimed = new Set<string>();
  readonly #own = new Map<string, OwnRun>();
  readonly #living = new Set<Promise<void>>();
  /** Starts that have claimed an id and not yet begun. */
  readonly #starting = new Set<Promise<unknown>>();
  #isClosing = false;

  /** @internal Made by `SseRunsModule`. */
  constructor(bus: EventBus, options: RunsOptions) {
    this.#bus = bus;
    this.#options = options;
    this.events$ = this.#changes.asObservable();
    this.#registry = new RunRegistry(bus, {
      onStart: (run) => this.#onStart(run),
      onStop: (run) => queueMicrotask(() => this.#own.get(run.claim.token)?.stop()),
      onEnd: (run) => this.#onEnd(run),
      onLost: (runs) => this.#onLogLost(runs),
    });
    this.#reading = { bus, registry: this.#registry, merges: new Merges(bus, this.#logger) };
    const shared = {
      bus,
      registry: this.#registry,
      instance: this.#instance,
    };
    const { lease, stopTimeout } = options;
    this.#context = { ...shared, lease, stopTimeout, logger: this.#logger };
    this.#watch = new OwnerWatch({
      ...shared,
      lease,
      own: () => [...this.#own.values()].map(({ run }) => run),
    });
  }

  /**
   * Starts a run: from now on the source belongs to this process, and not to a request. Of all who start one of the same
   * id, on whichever instance, exactly one does; `onExisting` says what the others get. Resolves when it is in the log.
   *
   * Rejects with an `SseError`: `BAD_TOPIC` for an id that is none; `BAD_OPTION`; `RUN_EXISTS`; and as `publish`
   * does, when the run was not started.
   *
   * @param source an AsyncIterable, an Observable, a `ReadableStream`, or a function (an async generator function, for
   * instance) that returns one; what it yields are events or plain data
   * @example await runs.start(`chat.${id}`, ({ signal }) => model.stream(prompt, { signal }));
   */
  async start(
    id: string,
    source: RunSource | RunFactory,
    options: RunOptions = {},
  ): Promise<StartedRun> {
    checkRunId(id);
    if (typeof source !== 'function') checkSource(source, 'The source of a run');
    const checked = this.#check(options);
    await this.#registry.whenLoaded();
    for (;;) {
      const existing = await this.#find(id);
      if (existing !== undefined) {
        if (checked.onExisting === 'join') return { ...existing.info, isNew: false };
        if (checked.onExisting === 'reject') throw existsError(id, existing);
      }
      if (this.#isClosing) throw closingError(`the run ${received(id)} was not started`);
      const { maxRuns } = this.#options;
      if (existing === undefined && this.#registry.hasAtLeast(maxRuns))
        throw fullError(id, maxRuns);
      if (existing !== undefined && existing.end === undefined) await this.#replace(existing);
      // One whose time is over by the clock here may have some left by the log's.
      const over = existing?.claim.token ?? this.#registry.expiredToken(id);
      const starting = this.#claimAndBegin(id, source, { ...checked, over });
      this.#starting.add(starting);
      const run = await starting.finally(() => this.#starting.delete(starting));
      if (run !== undefined) return { ...run.info, isNew: true };
    }
  }

  /**
   * A run's events for a client of an `@Sse()` handler: a new one gets all of them from the start, one that comes back
   * goes on where it was. The last one is of type `run-end`; then the response ends, and whoever comes back is answered
   * 204. A run that nobody knows is answered, or waited for, as the option `unknown` says. Several runs, and streams of the bus, go
   * together on one connection: `merge(runs.stream(id), bus.stream('news'))`.
   *
   * @throws SseError `BAD_TOPIC`, `BAD_OPTION`
   */
  stream(id: string, options?: RunStreamOptions): Observable<SseEvent>;
  /**
   * The same for clients that speak another protocol: what an `@Sse()` handler returns, alone on its connection. These
   * clients always get all of it, from the start; a connection that breaks off is cut, so that nobody takes that for the end.
   *
   * @throws SseError `BAD_TOPIC`, `BAD_OPTION`; BadRequestException for a `startingAfter` that is no number
   * @example return this.runs.stream(`chat.${id}`, { as: 'ai-sdk' });
   */
  stream(id: string, options: ProfileOptions): AsyncIterable<ProfileMessage>;
  stream(
    id: string,
    options: RunStreamOptions | ProfileOptions = {},
  ): Observable<SseEvent> | AsyncIterable<ProfileMessage> {
    checkRunId(id);
    const stream = runStreamOf(options);
    if (stream.profile === undefined) {
      const { merge, unknown = this.#options.unknown } = stream;
      return this.#bus.streamSpan(
        topicOf(id),
        (onClose) => this.#span({ id, onClose, merge, unknown }).plan,
      );
    }
    return new ProfiledStream({
      events: this.read(id),
      profile: stream.profile,
      begin: () => this.#registry.get(id)?.claim.begin,
      connection: this.#bus.connection,
      report: (error) =>
        this.#logger.error(
          `The run ${received(id)} is not what ${stream.as} streams`,
          renderError(error),
        ),
    });
  }

  /**
   * @internal What {@link stream} gives, to be asked for one after the other.
   *
   * @param after the cursor of an event of the run; without it from the start
   * @param announce whether it is told when everything is read that there was, by an event of type `caught-up`
   */
  read(
    id: string,
    { after, announce = false }: { after?: Cursor | undefined; announce?: boolean } = {},
  ): AsyncIterableIterator<SseEvent, undefined> {
    const topic = topicOf(checkRunId(id));
    return new PulledStream({
      ...this.#bus.reading,
      select: (onClose) => ({
        topics: [topic],
        plan: { ...this.#span({ id, onClose, unknown: this.#options.unknown }).plan, announce },
      }),
      after,
    });
  }

  /** @internal A run as the log has it now, also if this instance has yet to read of it. */
  async find(id: string): Promise<RunInfo | undefined> {
    checkRunId(id);
    await this.#registry.whenLoaded();
    await this.#bus.catchUp();
    return this.#registry.get(id)?.info;
  }

  /**
   * Stops a run, on whichever instance it is: the `signal` of its source is aborted, and it ends as `stopped` when the
   * source has finished, or after `stopTimeout`. Resolves with what became of it: one that had ended before stays as it was.
   * Undefined if nobody knows it.
   *
   * Rejects as `publish` does, and with `BACKPLANE_CLOSED` if this instance shuts down before it knows.
   */
  async stop(id: string): Promise<RunInfo | undefined> {
    checkRunId(id);
    await this.#registry.whenLoaded();
    const run = await this.#find(id);
    if (run === undefined) return undefined;
    if (run.end === undefined) {
      const { token } = run.claim;
      await this.#publish({ kind: 'stop', token }, `$run-stop.${token}`);
      const end = await run.ended;
      if (end === undefined)
        throw closingError(`it is not known how the run ${received(id)} ended`);
    }
    return run.info;
  }

  /** What this instance knows of a run; undefined if nothing, or if it can no longer be read. */
  get(id: string): RunInfo | undefined {
    return this.#registry.get(checkRunId(id))?.info;
  }

  /** Runs that are live, or can still be read, on all instances. */
  list(): RunInfo[] {
    return this.#registry.all.map(({ info }) => info);
  }

  /** @internal The application has started: whoever wants to be told of runs has subscribed. */
  onStarted(): void {
    const untold = this.#untold ?? [];
    this.#untold = undefined;
    for (const change of untold) this.#changes.next(change);
  }

  #tell(change: RunChange): void {
    if (this.#untold === undefined) this.#changes.next(change);
    else this.#untold.push(change);
  }

  /** @internal Ends what is live here, as the option `drain` says. */
  async drain(): Promise<void> {
    this.#isClosing = true;
    const { drain, stopTimeout } = this.#options;
    const { runs, timeout } = drain;
    await within(stopTimeout + TOLD, Promise.allSettled(this.#starting));
    if (runs === 'finish') await within(timeout, Promise.all(this.#living));
    for (const own of this.#own.values()) {
      own.run.isStopping = true;
      own.stop();
    }
    await within(stopTimeout + TOLD, Promise.all(this.#living));
  }

  /** @internal */
  close(): void {
    this.#isClosing = true;
    this.#watch.close();
    this.#registry.close();
    this.#changes.complete();
  }

  /** The run as the log has it now, also if this instance has yet to read of it. */
  async #find(id: string): Promise<Run | undefined> {
    const known = this.#registry.get(id);
    if (known !== undefined) return known;
    await this.#bus.catchUp();
    return this.#registry.get(id);
  }

  async #publish(entry: RunEntry, idempotencyKey: string): Promise<void> {
    await this.#order(registryRecord(entry), idempotencyKey);
  }

  /** Resolves when this instance has read it as well. */
  async #order(record: EventRecord, idempotencyKey: string): Promise<void> {
    const place = parseCursor(await this.#bus.order(record, { idempotencyKey }));
    if (place !== undefined) await this.#registry.whenRead(place);
  }

  /** Its run, if the claim has won. */
  async #claimAndBegin(
    id: string,
    source: RunSource | RunFactory,
    { keepFor, maxBytes, over }: Checked & { readonly over: string | undefined },
  ): Promise<Run | undefined> {
    const run = await this.#claim(id, keepFor, over);
    // It took so long that nobody would end it any more.
    if (this.#registry.isClosed) throw closingError(`the run ${received(id)} was not started`);
    if (run !== undefined) this.#begin(run, source, maxBytes);
    return run;
  }

  async #claim(id: string, keepFor: number, over?: string): Promise<Run | undefined> {
    // Until its owner is known to be gone, a run that is silent has to be there, however short it is kept later.
    const token = newToken(Math.max(keepFor, this.#options.lease * LEASES_KEPT));
    this.#claimed.add(token);
    try {
      const { lease } = this.#options;
      const owner = this.#instance;
      const claim: RunEntry = { kind: 'claim', id, token, owner, keepFor, lease, over };
      await this.#publish(claim, `$run-claim.${token}`);
      await this.#registry.whenLoaded();
      return this.#registry.ofToken(token);
    } finally {
      this.#claimed.delete(token);
    }
  }

  #begin(run: Run, source: RunSource | RunFactory, maxBytes: number): void {
    const own = new OwnRun(this.#context, run, maxBytes);
    const { token } = run.claim;
    this.#own.set(token, own);
    // What a source reads of the bus it reads for the run, and not for the client whose handler has started it.
    const life = apartFromConnections(() => own.live(source)).finally(() => {
      this.#own.delete(token);
      this.#living.delete(life);
    });
    this.#living.add(life);
    if (run.end !== undefined) own.onEnd();
    else if (run.isStopping) own.stop();
  }

  /** Ends a live run in favour of another. */
  async #replace(run: Run): Promise<void> {
    const { claim, events, bytes } = run;
    const { id, token } = claim;
    const record = endRecord(id, {
      ...{ status: 'stopped', token, by: this.#instance, events, bytes },
    });
    await this.#order(record, endKey(token));
  }

  #onStart(run: Run): void {
    const { owner, token } = run.claim;
    this.#watch.onClaim(owner);
    const isOwn = owner === this.#instance;
    if (isOwn && !this.#claimed.has(token)) this.#abandon(run);
    // What is claimed to be ended has been told of in the log that has gone.
    if (token.endsWith(AGAIN)) return;
    queueMicrotask(() => this.#tell({ type: 'started', run: run.info, isOwn }));
  }

  #onEnd(run: Run): void {
    const isOwn = run.end?.by === this.#instance;
    queueMicrotask(() => {
      this.#own.get(run.claim.token)?.onEnd();
      this.#tell({ type: 'ended', run: run.info, isOwn });
    });
  }

  /** Nothing is left of what these had emitted: each has an end in the new log, so that its readers hear of it. */
  #onLogLost(runs: readonly Run[]): void {
    for (const run of runs) {
      if (run.end !== undefined) continue;
      const own = this.#own.get(run.claim.token);
      run.endWith({
        ...{ status: own === undefined ? 'lost' : 'failed', error: LOG_LOST, by: '' },
        place: run.claim.begin,
        at: Date.now(),
      });
      queueMicrotask(() => own?.onEnd());
      // Who has it says so first; if that process is gone, it is as with any other run.
      if (own === undefined) setTimeout(() => this.#conclude(run), this.#options.lease).unref();
      else this.#conclude(run);
    }
  }

  /** Claims a run of a log that has gone in the new one, and ends it there, unless somebody has claimed its id. */
  #conclude(run: Run): void {
    if (this.#registry.isClosed || this.#registry.get(run.claim.id) !== undefined) return;
    const { id, keepFor, lease } = run.claim;
    const token = `${run.claim.token}${AGAIN}`;
    const { status = 'lost', error } = run.end ?? {};
    const claim: RunEntry = { kind: 'claim', id, token, owner: this.#instance, keepFor, lease };
    const end = endRecord(id, {
      ...{ status, error, token, by: this.#instance, events: 0, bytes: 0 },
    });
    this.#claimed.add(token);
    const again = () => {
      setTimeout(() => this.#conclude(run), this.#options.lease).unref();
    };
    void this.#publish(claim, `$run-claim.${token}`)
      .then(() => this.#bus.order(end, { idempotencyKey: endKey(token) }))
      .catch(again);
  }

  /** A claim that was given up has come after all: nobody will ever emit for it. */
  #abandon(run: Run): void {
    const own = new OwnRun(this.#context, run, 0);
    void own.live((): undefined => {
      throw new Error('The run was not started: its claim came too late');
    });
  }

  #span(reading: RunReading): RunSpan {
    return new RunSpan(reading, this.#reading);
  }

  #check(options: RunOptions): Checked {
    const known = ['keepFor', 'maxBytes', 'onExisting'];
    const given = new GivenOptions('runs.start()', 'options', options, known);
    const { keepFor, maxBytes } = this.#options;
    const onExisting = given.get('onExisting') ?? 'join';
    if (onExisting !== 'join' && onExisting !== 'reject' && onExisting !== 'replace') {
      throw given.bad('onExisting', "'join', 'reject' or 'replace'");
    }
    return {
      keepFor: given.number('keepFor', keepFor, { least: 1 }),
      maxBytes: given.number('maxBytes', maxBytes, { least: 1 }),
      onExisting,
    };
  }
}

/** What the tokens of runs end with that are claimed once more, in another log, to be ended there. */
const AGAIN = '-again';

/** What clients are told of a run whose log has gone. */
const LOG_LOST = 'The history of the run was lost';

/** Leases that a run is kept for at least when it says nothing: it says that it is there twice within that time. */
const LEASES_KEPT = 4;

/** Milliseconds that shutting down waits for runs to say how they ended, when their sources have had their time. */
const TOLD = 500;

async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, milliseconds)));
  await Promise.race([work, late]);
  clearTimeout(timer);
}

function existsError(id: string, { info }: Run): SseError {
  return new SseError(
    'RUN_EXISTS',
    `There is a run ${received(id)} already (${info.status}), and onExisting is 'reject'`,
  );
}

function closingError(consequence: string): SseError {
  return new SseError('BACKPLANE_CLOSED', `The application shuts down: ${consequence}`);
}

function fullError(id: string, maxRuns: number): SseError {
  return new SseError(
    'RUN_EXISTS',
    `There are maxRuns (${maxRuns}) runs already that are live or can still be read: ${received(id)} was not started. ` +
      'Raise it in SseRunsModule.forRoot(), or lower keepFor',
  );
}
