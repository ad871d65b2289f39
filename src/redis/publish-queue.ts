import type { SseError } from '../errors.js';
import type { PublishOptions } from '../backplane/backplane.js';
import type { Cursor } from '../log/cursor.js';
import type { EventRecord } from '../log/entry.js';
import type { RetentionRules } from '../log/retention.js';
import type { PublishAnswer } from './position.js';
import { awayError, refusedError, tooManyError, unknownError } from './publish-errors.js';
import { toFields } from './stream-entry.js';

/** Publishes that may wait for Redis at a time. */
const MAX_WAITING = 100_000;

/** One publish on its way. */
export interface Job {
  readonly fields: readonly [string, string];
  /** What is kept of it beyond the log, as the script takes it. */
  readonly kept: string;
  readonly idempotencyKey: string | undefined;
  /** See {@link PublishOptions.sequence}. */
  readonly sequence: string | undefined;
}

interface Pending extends Job {
  readonly deadline: number;
  /** Whether Redis may have it, for all that is known. */
  isSent: boolean;
  isSettled: boolean;
  resolve(cursor: Cursor): void;
  reject(error: Error): void;
}

/** Publishes that wait, and those that were sent; each is settled by its deadline, whatever Redis does. */
export class PublishQueue {
  readonly #timeout: number;
  readonly #rules: RetentionRules;
  readonly #onEmpty: () => void;
  readonly #whyAway: () => string | undefined;
  #waiting: Pending[] = [];
  #sent: Pending[] = [];
  #timer: NodeJS.Timeout | undefined;
  #closed: SseError | undefined;

  /**
   * @param timeout milliseconds
   * @param rules by which topics are kept; none if that is for the script to say
   * @param onEmpty called when the time of all that was there is up
   * @param whyAway what Redis, or the network, last said
   */
  constructor(
    timeout: number,
    rules: RetentionRules,
    onEmpty: () => void,
    whyAway: () => string | undefined,
  ) {
    this.#timeout = timeout;
    this.#rules = rules;
    this.#onEmpty = onEmpty;
    this.#whyAway = whyAway;
  }

  /** Publishes that wait to be sent. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Whether what became of each is known. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#sent.every(({ isSettled }) => isSettled);
  }

  add(record: EventRecord, { idempotencyKey, sequence }: PublishOptions): Promise<Cursor> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) throw this.#closed;
      if (this.#waiting.length >= MAX_WAITING) throw tooManyError(MAX_WAITING);
      this.#waiting.push({
        fields: toFields(record),
        kept: this.#keptOf(record),
        idempotencyKey,
        sequence,
        deadline: performance.now() + this.#timeout,
        isSent: false,
        isSettled: false,
        resolve,
        reject,
      });
      this.#watch();
    });
  }

  /** The next publishes to send: the first, and as many more as stay within `count` and `bytes`. */
  claim(count: number, bytes: number): readonly Job[] {
    let size = 0;
    const isTooMuch = ({ fields: [header, data] }: Job, index: number) => {
      size += header.length + data.length;
      return index > 0 && (index >= count || size > bytes);
    };
    const end = this.#waiting.findIndex(isTooMuch);
    this.#sent = this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
    for (const job of this.#sent) job.isSent = true;
    return this.#sent;
  }

  /** What became of what was sent. */
  settle(answers: readonly PublishAnswer[]): void {
    for (const [index, answer] of answers.entries()) {
      const job = this.#sent[index];
      if (job === undefined || job.isSettled) continue;
      if (typeof answer !== 'string') {
        fail(job, refusedError(answer.refusal));
        continue;
      }
      job.isSettled = true;
      job.resolve(answer);
    }
    this.#sent = [];
  }

  /** What was sent is known not to have arrived: it is the next to be sent. */
  requeue(): void {
    for (const job of this.#sent) job.isSent = false;
    this.repeat(() => true);
  }

  /** What was sent and may be sent again is the next to be sent, unless its time is up. */
  repeat(isRepeatable: (job: Job) => boolean): void {
    const again = this.#sent.filter((job) => !job.isSettled && isRepeatable(job));
    this.#sent = this.#sent.filter((job) => !job.isSettled && !isRepeatable(job));
    this.#waiting = [...again, ...this.#waiting];
  }

  /** What was sent has failed. */
  reject(error: SseError): void {
    const sent = this.#sent;
    this.#sent = [];
    for (const job of sent) fail(job, error);
    this.#failBehind(sent);
  }

  close(error: SseError): void {
    this.#closed = error;
    clearTimeout(this.#timer);
    const all = [...this.#sent, ...this.#waiting];
    this.#sent = [];
    this.#waiting = [];
    for (const job of all) fail(job, error);
  }

  #keptOf({ topics, key }: EventRecord): string {
    if (!this.#rules.mayKeep(topics)) return '';
    const kept = topics.flatMap((topic) => {
      const rule = this.#rules.of(topic, key);
      if (rule === undefined) return [];
      const { keepFor, keepEvents, keepLatestPerKey, isWhole, isExempt } = rule;
      const bounds = [keepFor || 0, keepEvents || 0, keepLatestPerKey ? 1 : 0, key ?? false];
      // Said for few topics only.
      return [[topic, ...bounds, ...(isExempt ? [isWhole ? 2 : 1] : [])]];
    });
    return kept.length === 0 ? '' : JSON.stringify(kept);
  }

  #watch(): void {
    if (this.#timer !== undefined || this.#closed !== undefined) return;
    const oldest = this.#sent.find(({ isSettled }) => !isSettled) ?? this.#waiting[0];
    if (oldest === undefined) return;
    const wait = Math.max(oldest.deadline - performance.now(), 1);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#expire(performance.now());
      this.#watch();
    }, wait);
  }

  #expire(now: number): void {
    const count = this.#waiting.findIndex(({ deadline }) => deadline > now);
    const expired = [
      ...this.#sent.filter(({ deadline }) => deadline <= now),
      ...this.#waiting.splice(0, count < 0 ? Infinity : count),
    ];
    const away = awayError(this.#timeout, this.#whyAway());
    const unknown = unknownError(new Error(`Redis did not answer within ${this.#timeout} ms`));
    for (const job of expired) fail(job, job.isSent ? unknown : away);
    this.#failBehind(expired);
    if (this.isEmpty) this.#onEmpty();
  }

  /** What waits behind those of its sequence that have failed is not sent. */
  #failBehind(failed: readonly Pending[]): void {
    const broken = new Set(failed.flatMap(({ sequence }) => sequence ?? []));
    if (broken.size === 0) return;
    const isBroken = ({ sequence }: Job) => sequence !== undefined && broken.has(sequence);
    const behind = this.#waiting.filter(isBroken);
    this.#waiting = this.#waiting.filter((job) => !isBroken(job));
    for (const job of behind) fail(job, awayError(this.#timeout, this.#whyAway()));
  }
}

function fail(job: Pending, error: SseError): void {
  if (job.isSettled) return;
  job.isSettled = true;
  job.reject(error);
}
