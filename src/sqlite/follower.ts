import { setTimeout as elapse } from 'node:timers/promises';
import type { SseError } from '../errors.js';
import type { LogSink } from '../log/log-sink.js';
import { formatCursor } from '../log/cursor.js';
import { datedRecord } from '../log/dated-record.js';
import type { Availability } from './availability.js';
import { eventsOf } from './blocks.js';
import { asSseError } from './failures.js';
import type { FileThread } from './file-thread.js';
import type { NewEpochReason, Page, Published } from './protocol.js';
import { requestOf, type Job, type PublishQueue } from './publish-queue.js';

/** Milliseconds until the file is looked at again after that has failed. */
const RETRY = 200;

/** Publishes on their way, and what became of them. */
interface Batch {
  readonly jobs: readonly Job[];
  readonly outcome: Promise<
    | { readonly published: Published; readonly error: undefined }
    | { readonly published: undefined; readonly error: SseError }
  >;
}

/**
 * Writes what is published to the file and feeds the sink with what is in it, one request after the other:
 * so the order needs no care, and what is published meanwhile is the next transaction.
 */
export class Follower {
  readonly #sink: LogSink;
  readonly #thread: FileThread;
  readonly #queue: PublishQueue;
  readonly #availability: Availability;
  /** Whether there may be events in the file that the sink does not have. */
  #isStale = false;
  #isRunning = false;
  #isClosed = false;
  #head = 0;
  #behindSince: number | undefined;
  #catchUps: (() => void)[] = [];
  #lastReadAt: Date | undefined;

  constructor(sink: LogSink, thread: FileThread, queue: PublishQueue, availability: Availability) {
    this.#sink = sink;
    this.#thread = thread;
    this.#queue = queue;
    this.#availability = availability;
  }

  get lastReadAt(): Date | undefined {
    return this.#lastReadAt;
  }

  /** Events that are known of and have not been read. */
  get lagEvents(): number {
    return Math.max(this.#head - this.#sink.head, 0);
  }

  /** For how long, in milliseconds, this instance has been behind. */
  get lagMs(): number {
    return this.#behindSince === undefined ? 0 : Math.round(performance.now() - this.#behindSince);
  }

  /** Loads the tail; gives the reason if a log that was there has to go on in another epoch. */
  async open(): Promise<NewEpochReason | undefined> {
    // What changes meanwhile waits.
    this.#isRunning = true;
    const { epoch, first, head, because } = await this.#thread.ask('open', {});
    this.#sink.reset(epoch, first - 1);
    await this.#advanceTo(epoch, head);
    this.#availability.onUp();
    void this.#run();
    return because;
  }

  /** There is something to do: what is published in this turn goes into one transaction. */
  wake(): void {
    if (this.#isRunning || this.#isClosed) return;
    this.#isRunning = true;
    setImmediate(() => void this.#run());
  }

  /** The file has changed. */
  onChanged(): void {
    this.#isStale = true;
    this.#behindSince ??= performance.now();
    this.wake();
  }

  /** Resolves when the sink has what is in the file now. */
  catchUp(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#catchUps.push(resolve);
      this.wake();
    });
  }

  close(): void {
    this.#isClosed = true;
    for (const resolve of this.#catchUps) resolve();
    this.#catchUps = [];
  }

  get #mustLook(): boolean {
    return this.#isStale || this.#catchUps.length > 0;
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      const mustPublish = this.#queue.length > 0;
      if (mustPublish) await this.#publish();
      // However much is published here, what others have published is read, too.
      if (this.#mustLook) await this.#look();
      else if (!mustPublish) break;
    }
    this.#isRunning = false;
  }

  /** Until something else is to be done. */
  async #publish(): Promise<void> {
    let batch: Batch | undefined = this.#send();
    while (batch !== undefined) {
      const { jobs, outcome } = batch;
      const { published, error } = await outcome;
      batch = undefined;
      if (published === undefined) {
        this.#availability.onDown(error);
        this.#queue.reject(jobs, error);
        return;
      }
      this.#availability.onUp();
      // The thread writes on while the sink is given what it has written.
      if (this.#queue.length > 0 && !this.#mustLook && !this.#isClosed) batch = this.#send();
      await this.#give(jobs, published);
    }
  }

  #send(): Batch {
    const jobs = this.#queue.take();
    const outcome = this.#thread.ask('publish', requestOf(jobs)).then(
      (published) => ({ published, error: undefined }),
      (error: unknown) => ({ published: undefined, error: asSseError(error) }),
    );
    return { jobs, outcome };
  }

  async #give(jobs: readonly Job[], { epoch, before, offsets, at }: Published): Promise<void> {
    const offsetOf = (index: number) => offsets?.[index] ?? before + index + 1;
    try {
      await this.#advanceTo(epoch, before);
      this.#append(epoch, jobs, offsetOf, at);
    } catch {
      // The events are kept: whoever looks next reads them.
      this.#isStale = true;
    }
    this.#queue.settle(jobs, (index) => formatCursor(epoch, offsetOf(index)));
  }

  #append(
    epoch: string,
    jobs: readonly Job[],
    offsetOf: (index: number) => number,
    at: number,
  ): void {
    if (this.#isClosed) return;
    const sink = this.#sink;
    let index = 0;
    for (const { record } of jobs) {
      const offset = offsetOf(index++);
      if (sink.epoch === epoch && offset === sink.head + 1)
        sink.append(offset, datedRecord(record, at));
    }
    this.#head = Math.max(this.#head, sink.head);
    this.#lastReadAt = new Date();
  }

  async #look(): Promise<void> {
    this.#isStale = false;
    const waiting = this.#catchUps;
    this.#catchUps = [];
    try {
      const { epoch, head } = await this.#readOn();
      await this.#advanceTo(epoch, head);
      this.#availability.onUp();
      this.#behindSince = undefined;
      for (const resolve of waiting) resolve();
    } catch (error) {
      this.#isStale = true;
      if (this.#isClosed) {
        for (const resolve of waiting) resolve();
        return;
      }
      this.#catchUps.push(...waiting);
      this.#availability.onDown(asSseError(error));
      await elapse(RETRY);
    }
  }

  /** Brings the sink to an offset that the file is known to have, unless the log has changed its epoch. */
  async #advanceTo(epoch: string, offset: number): Promise<void> {
    while (this.#sink.epoch !== epoch || this.#sink.head < offset) {
      const page = await this.#readOn();
      if (page.epoch !== epoch || this.#isClosed) return;
    }
  }

  async #readOn(): Promise<Page> {
    const page = await this.#thread.ask('read', { after: this.#sink.head });
    this.#lastReadAt = new Date();
    if (!this.#isClosed) this.#take(page);
    return page;
  }

  #take({ epoch, first, head, values }: Page): void {
    const sink = this.#sink;
    this.#head = head;
    if (sink.epoch !== epoch) {
      sink.reset(epoch, first - 1);
      this.#isStale ||= head >= first;
      return;
    }
    for (const { offset, record } of eventsOf(values)) {
      if (offset <= sink.head) continue;
      sink.lose(offset - 1);
      sink.append(offset, record);
    }
    if (values.length === 0) sink.lose(head);
  }
}
