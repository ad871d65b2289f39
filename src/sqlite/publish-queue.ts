import type { SseError } from '../errors.js';
import type { PublishOptions } from '../backplane/backplane.js';
import type { Cursor } from '../log/cursor.js';
import type { EventRecord } from '../log/entry.js';
import { blocksOf } from './blocks.js';
import { tooManyError, unknownError, waitedError } from './failures.js';
import { type Requests, sharedTime } from './protocol.js';

/** Publishes that may wait for the file at a time. */
const MAX_WAITING = 100_000;
/** What goes into one transaction at most: events, and characters of their data. */
const BATCH_EVENTS = 4_096;
const BATCH_LENGTH = 8 * 2 ** 20;

/** How long, in milliseconds, the thread may be late with the answer that its patience has ended. */
const GRACE = 250;

/** One publish on its way. A class, as copies of a literal by `...` would each have a hidden class of their own (V8). */
export class Job {
  isSettled = false;

  /** @param sequence see {@link PublishOptions.sequence} */
  constructor(
    readonly record: EventRecord,
    readonly idempotencyKey: string | undefined,
    readonly sequence: string | undefined,
    readonly deadline: number,
    readonly resolve: (cursor: Cursor) => void,
    readonly reject: (error: SseError) => void,
  ) {}
}

/** Publishes that wait, and those that are being written; each is settled by its deadline. */
export class PublishQueue {
  readonly #path: string;
  readonly #timeout: number;
  #waiting: Job[] = [];
  /** Those on their way, the first one first. */
  #sent: (readonly Job[])[] = [];
  #timer: NodeJS.Timeout | undefined;
  #closed: SseError | undefined;

  /** @param timeout milliseconds */
  constructor(path: string, timeout: number) {
    this.#path = path;
    this.#timeout = timeout;
  }

  /** Publishes that wait to be written. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Publishes of which nobody knows yet whether they are in the log. */
  get isIdle(): boolean {
    return this.#waiting.length === 0 && this.#sent.length === 0;
  }

  add(record: EventRecord, { idempotencyKey, sequence }: PublishOptions): Promise<Cursor> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) throw this.#closed;
      if (this.#waiting.length >= MAX_WAITING) throw tooManyError(this.#path, MAX_WAITING);
      const deadline = performance.now() + this.#timeout;
      this.#waiting.push(new Job(record, idempotencyKey, sequence, deadline, resolve, reject));
      if (this.#timer === undefined) this.#watch();
    });
  }

  /** The next publishes to write, which are then on their way. */
  take(): readonly Job[] {
    let count = 0;
    let length = 0;
    for (const { record } of this.#waiting) {
      length += record.text.length;
      if (count === BATCH_EVENTS || (count > 0 && length > BATCH_LENGTH)) break;
      count++;
    }
    let jobs = this.#waiting;
    if (count === jobs.length) this.#waiting = [];
    else jobs = jobs.splice(0, count);
    this.#sent.push(jobs);
    return jobs;
  }

  /** What was on its way is in the log. */
  settle(jobs: readonly Job[], cursorOf: (index: number) => Cursor): void {
    this.#sent = this.#sent.filter((each) => each !== jobs);
    let index = 0;
    for (const job of jobs) {
      const at = index++;
      if (job.isSettled) continue;
      job.isSettled = true;
      job.resolve(cursorOf(at));
    }
  }

  /** What was on its way has failed. */
  reject(jobs: readonly Job[], error: SseError): void {
    this.#sent = this.#sent.filter((each) => each !== jobs);
    for (const job of jobs) fail(job, error);
    this.#failBehind(jobs);
  }

  close(error: SseError): void {
    this.#closed = error;
    clearTimeout(this.#timer);
    const waiting = this.#waiting;
    this.#waiting = [];
    const unknown = unknownError(this.#path, 'the application has shut down meanwhile');
    for (const jobs of this.#sent) this.reject(jobs, unknown);
    for (const job of waiting) fail(job, error);
  }

  #watch(): void {
    if (this.#timer !== undefined || this.#closed !== undefined) return;
    const sent = this.#sent.flat().find(({ isSettled }) => !isSettled);
    const deadline = sent === undefined ? this.#waiting[0]?.deadline : sent.deadline + GRACE;
    if (deadline === undefined) return;
    const wait = Math.max(deadline - performance.now(), 1);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#expire(performance.now());
      this.#watch();
    }, wait).unref();
  }

  #expire(now: number): void {
    const first = this.#waiting.findIndex(({ deadline }) => deadline > now);
    const expired = this.#waiting.splice(0, first < 0 ? Infinity : first);
    for (const job of expired) fail(job, waitedError(this.#path, this.#timeout));
    const unknown = unknownError(this.#path, `there was no answer within ${this.#timeout} ms`);
    const late = this.#sent.flat().filter(({ deadline }) => deadline + GRACE <= now);
    for (const job of late) fail(job, unknown);
    this.#failBehind([...expired, ...late]);
  }

  /** What waits behind those of its sequence that have failed is not written. */
  #failBehind(failed: readonly Job[]): void {
    const broken = new Set(failed.flatMap(({ sequence }) => sequence ?? []));
    if (broken.size === 0) return;
    const isBroken = ({ sequence }: Job) => sequence !== undefined && broken.has(sequence);
    const behind = this.#waiting.filter(isBroken);
    this.#waiting = this.#waiting.filter((job) => !isBroken(job));
    for (const job of behind) fail(job, waitedError(this.#path, this.#timeout));
  }
}

/** What the thread is given of the jobs. */
export function requestOf(jobs: readonly Job[]): Requests['publish']['ask'] {
  const left = Math.max((jobs[0]?.deadline ?? 0) - performance.now(), 1);
  return { blocks: blocksOf(jobs), deadline: sharedTime() + left };
}

function fail(job: Job, error: SseError): void {
  if (job.isSettled) return;
  job.isSettled = true;
  job.reject(error);
}
