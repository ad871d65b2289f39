import type { PublishOptions } from '../backplane/backplane.js';
import type { History } from '../log/log-sink.js';
import type { Cursor } from '../log/cursor.js';
import type { EventRecord } from '../log/entry.js';
import { SseError } from '../errors.js';
import { ARCHIVE_BYTES } from '../backplane/archive.js';
import { randomDigits } from '../log/epoch.js';
import { RetentionRules } from '../log/retention.js';
import type { Availability } from './availability.js';
import type { RedisClient } from './redis-client.js';
import { asError, type Link, within } from './link.js';
import { naming } from './refusals.js';
import type { RedisOptions } from './options.js';
import type { LogEnd } from './log-end.js';
import { type LogState, parseState, type RedisPosition } from './position.js';
import { closedError, refusedError, unknownError, unreadableError } from './publish-errors.js';
import { type Job, PublishQueue } from './publish-queue.js';
import { rulesInForce } from './rules-in-force.js';
import { isPassing, isReply, isUnsent, READ, WRITE } from './script.js';

/** What goes to Redis in one step, which nobody else can interrupt: so many events, and characters. */
const BATCH = 256;
const BATCH_LENGTH = 1_048_576;

/** Whose bounds hold the log: an instance's own, or, for a publisher outside, those that an instance said last. */
type Writes = 'as instance' | 'from outside';

/** The same, for the script. */
const WRITES: Readonly<Record<Writes, number>> = { 'as instance': 1, 'from outside': 2 };

/** One call of the script. */
interface Run {
  readonly jobs?: readonly Job[];
  /** The position that the caller knows of. */
  readonly known: RedisPosition;
  readonly isWriting?: boolean;
}

/**
 * Sends events to Redis in the order of the calls, one batch at a time: what is published meanwhile is the
 * next batch. So order needs no care, and whatever failed can be sent again without overtaking.
 */
export class Publisher {
  readonly #options: RedisOptions;
  readonly #history: History;
  readonly #writes: Writes;
  readonly #link: Link;
  readonly #known: LogEnd;
  readonly #availability: Availability;
  readonly #queue: PublishQueue;
  /** By which topics are kept, as the script takes it. */
  readonly #rules: string;
  #isSending = false;
  #isScheduled = false;
  #idle: (() => void)[] = [];

  constructor(
    options: RedisOptions,
    history: History,
    writes: Writes,
    link: Link,
    known: LogEnd,
    availability: Availability,
  ) {
    this.#options = options;
    this.#history = history;
    this.#writes = writes;
    this.#link = link;
    this.#known = known;
    this.#availability = availability;
    const rules = new RetentionRules(history.topics);
    this.#rules = rulesInForce(history.topics);
    const isInstance = writes === 'as instance';
    this.#queue = new PublishQueue(
      options.publishTimeout,
      isInstance ? rules : new RetentionRules(),
      () => this.#onIdle(),
      () => availability.reason,
    );
  }

  publish(record: EventRecord, options: PublishOptions): Promise<Cursor> {
    const promise = this.#queue.add(record, options);
    this.#schedule();
    return promise;
  }

  /**
   * Where the log ends, by the connection that publishes. A log begins if there is none, or if the one
   * there does not reach as far as `known`.
   */
  async look(): Promise<LogState> {
    const connection = await this.#link.connected();
    if (connection === undefined) throw closedError();
    return this.#run(connection, { known: this.#known.position });
  }

  /** The same, and whether Redis lets itself be written to: a replica does not, and answers looks. */
  async verify(known: RedisPosition = this.#known.position): Promise<LogState> {
    const connection = await this.#link.connected();
    if (connection === undefined) throw closedError();
    return this.#run(connection, { known, isWriting: true });
  }

  /** Where the log ends; and if it was not to be written to, whether it is again. */
  check(): Promise<LogState> {
    return this.#availability.isWritable ? this.look() : this.verify();
  }

  /** A command for the log that is neither written to nor waits. */
  async ask(command: string, ...args: (string | number)[]): Promise<unknown> {
    const connection = await this.#link.connected();
    if (connection === undefined) throw closedError();
    const { logKey } = this;
    return naming(logKey, this.#bounded(connection, connection.call(command, logKey, ...args)));
  }

  /**
   * Reads kept topics; not tied to the log's own commands.
   *
   * @param range the first offset and the last one, how many events at most, and bytes
   */
  async askArchive(
    epoch: string,
    topics: readonly string[],
    range: readonly (string | number)[],
  ): Promise<unknown> {
    const ofLog = [
      this.keyOf('meta'),
      ...['by-age', 'due', 'forgotten'].map((kind) => this.keyOf(kind, epoch)),
    ];
    const ofTopics = topics.flatMap((topic) => [
      this.keyOf('kept', epoch, topic),
      this.keyOf('topic', epoch, topic),
    ]);
    return this.#readArchive((connection) =>
      READ.run(connection, [...ofLog, ...ofTopics], [epoch, ...range, ...topics]),
    );
  }

  /** One command for a key of this log, that writes nothing and does not wait. */
  async askFor(command: string, key: string, ...args: (string | number)[]): Promise<unknown> {
    return this.#readArchive((connection) => naming(key, connection.call(command, key, ...args)));
  }

  /** @throws SseError within a bound, also while there is no connection */
  async #readArchive(run: (connection: RedisClient) => Promise<unknown>): Promise<unknown> {
    const { publishTimeout } = this.#options;
    try {
      const connected = this.#link.connected();
      const connection = await within(connected, publishTimeout, 'was not reached');
      if (connection === undefined) throw closedError();
      return await this.#bounded(connection, run(connection));
    } catch (error) {
      throw error instanceof SseError ? error : unreadableError(asError(error));
    }
  }

  keyOf(...parts: readonly string[]): string {
    return [`{${this.#options.key}}`, ...parts].join(':');
  }

  get logKey(): string {
    return `{${this.#options.key}}:log`;
  }

  /** Whether nothing is on its way. */
  get isIdle(): boolean {
    return this.#queue.isEmpty;
  }

  /** Resolves when nothing is on its way. */
  idle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  close(): void {
    this.#queue.close(closedError());
    this.#onIdle();
  }

  /** Collects what is published in one turn of the event loop. */
  #schedule(): void {
    if (this.#isScheduled || this.#isSending) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      void this.#send();
    });
  }

  async #send(): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    while (this.#queue.length > 0) {
      const connection = await this.#link.connected();
      if (connection === undefined) break;
      const jobs = this.#queue.claim(BATCH, BATCH_LENGTH);
      if (jobs.length === 0) continue;
      try {
        const { answers, trouble } = await this.#run(connection, {
          jobs,
          known: this.#known.position,
          isWriting: true,
        });
        this.#queue.settle(answers);
        this.#availability.onTrouble(trouble);
      } catch (cause) {
        this.#fail(asError(cause));
      }
    }
    this.#isSending = false;
    this.#onIdle();
  }

  #onIdle(): void {
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  #fail(error: Error): void {
    if (isUnsent(error) || isPassing(error)) {
      this.#queue.requeue();
    } else if (isReply(error)) {
      this.#queue.reject(refusedError(error));
    } else {
      this.#queue.repeat(({ idempotencyKey }) => idempotencyKey !== undefined);
      this.#queue.reject(unknownError(error));
    }
  }

  async #run(
    connection: RedisClient,
    { jobs = [], known, isWriting = false }: Run,
  ): Promise<LogState> {
    const { key, maxLen, idempotencyWindow } = this.#options;
    const { maxEvents, maxAge, maxBytes, archive } = this.#history;
    const archiveBytes = archive?.maxBytes ?? ARCHIVE_BYTES;
    const names = jobs.flatMap(({ idempotencyKey }) => idempotencyKey ?? []);
    const keys = [`{${key}}:meta`, this.logKey, ...names.map((name) => `{${key}}:once:${name}`)];
    const bounds = [maxLen ?? maxEvents, maxAge === false ? 0 : maxAge, maxBytes];
    const position = [known.epoch, known.offset, known.id];
    const args = [
      randomDigits(),
      ...position,
      ...bounds,
      idempotencyWindow,
      isWriting ? WRITES[this.#writes] : 0,
      archiveBytes,
      this.#rules,
    ];
    const events = jobs.flatMap(({ fields, idempotencyKey, kept }) => [
      idempotencyKey === undefined ? 0 : 1,
      ...fields,
      kept,
    ]);
    const look = this.#known.catchUps.beginLook();
    const state = await this.#write(connection, keys, [...args, ...events]);
    this.#known.observe(state.end, look);
    if (!isWriting) return state;
    this.#link.resetBackoff();
    if (state.refusal === undefined) this.#availability.onWritable();
    else this.#availability.onUnwritable(new Error(state.refusal));
    return state;
  }

  async #write(
    connection: RedisClient,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<LogState> {
    try {
      return parseState(await this.#bounded(connection, WRITE.run(connection, keys, args)));
    } catch (cause) {
      const error = asError(cause);
      if (isReply(error)) this.#availability.onUnwritable(error);
      throw error;
    }
  }

  /** A connection on which Redis does not answer, or refuses for now, is given up. */
  async #bounded(connection: RedisClient, reply: Promise<unknown>): Promise<unknown> {
    try {
      return await within(reply, this.#options.publishTimeout, 'did not answer');
    } catch (cause) {
      const error = asError(cause);
      if (!isReply(error) || isPassing(error)) this.#link.drop(connection, error);
      throw error;
    }
  }
}
