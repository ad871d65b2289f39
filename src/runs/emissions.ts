import type { EventBus } from '../bus/event-bus.js';
import { isA, SseError } from '../errors.js';
import { type Cursor, parseCursor, type StreamPosition } from '../log/cursor.js';
import type { EventRecord } from '../log/entry.js';

/** What is on its way to the log before a source is asked for more: events, and bytes. */
const MAX_PENDING = 256;
const MAX_PENDING_BYTES = 262_144;

/** Something that was emitted and is not known to be in the log. */
export interface Emission {
  readonly record: EventRecord;
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Decides about what was published, and what was not. */
export interface EmissionJudge {
  /** The key that entries of the run have now. */
  readonly token: string;
  /** Rejects if what is at a place is not a part of the run. */
  confirm(place: StreamPosition): Promise<void>;
  /**
   * Finds out which of these are in the log: the first so many. Afterwards whatever is still under way counts for nothing.
   * Rejects if there is no way to go on.
   *
   * @param isUnknown false if none of them is there
   */
  recover(emissions: readonly Emission[], error: unknown, isUnknown: boolean): Promise<number>;
  onFailure(error: unknown): void;
}

/**
 * What a run emits, on its way to the log: what came in one turn of the event loop goes together, and the next only when
 * all of that is known to be there. So nothing can overtake what has to be sent again.
 */
export class Emissions {
  readonly #bus: EventBus;
  readonly #judge: EmissionJudge;
  #waiting: Emission[] = [];
  #sent: readonly Emission[] = [];
  #bytes = 0;
  #isScheduled = false;
  #isClosed = false;
  #onRoom: (() => void)[] = [];

  constructor(bus: EventBus, judge: EmissionJudge) {
    this.#bus = bus;
    this.#judge = judge;
  }

  get #length(): number {
    return this.#waiting.length + this.#sent.length;
  }

  add(record: EventRecord, bytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ record, bytes, resolve, reject });
      this.#bytes += bytes;
      this.#schedule();
    });
  }

  /** Undefined if there is room for more; else resolves when there is. */
  room(): Promise<void> | undefined {
    if (this.#isClosed || (this.#length < MAX_PENDING && this.#bytes < MAX_PENDING_BYTES))
      return undefined;
    return this.#changed().then(() => this.room());
  }

  /** Resolves when nothing is on its way. */
  async settled(): Promise<void> {
    while (this.#length > 0) await this.#changed();
  }

  /** Nothing is published any more. */
  close(error: unknown): void {
    this.#isClosed = true;
    for (const { reject } of [...this.#sent, ...this.#waiting]) reject(error);
    this.#waiting = [];
    this.#sent = [];
    this.#bytes = 0;
    this.#tell();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#onRoom.push(resolve));
  }

  #tell(): void {
    for (const resolve of this.#onRoom.splice(0)) resolve();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#sent.length > 0 || this.#isClosed) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      void this.#send();
    });
  }

  async #send(): Promise<void> {
    this.#sent = this.#waiting;
    this.#waiting = [];
    try {
      while (this.#sent.length > 0) await this.#publish(this.#sent);
    } catch (error) {
      this.close(error);
      this.#judge.onFailure(error);
      return;
    }
    this.#tell();
    if (this.#waiting.length > 0) this.#schedule();
  }

  /** Publishes them, and leaves in `#sent` those that have to be published again. */
  async #publish(emissions: readonly Emission[]): Promise<void> {
    const { token } = this.#judge;
    const outcomes = await Promise.allSettled(
      emissions.map(({ record }) => this.#bus.order(withKey(record, token), { sequence: token })),
    );
    const failed = outcomes.findIndex(({ status }) => status === 'rejected');
    const done = failed < 0 ? emissions.length : failed;
    await this.#confirm(emissions.slice(0, done), outcomes[done - 1]);
    if (failed < 0) return;
    const left = emissions.slice(done);
    const rest = outcomes.slice(failed);
    const errors = rest.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
    );
    // One that was refused for what it is cannot be published again.
    for (const error of errors) if (!isPassing(error)) throw error;
    // If one behind it is in the log, it may be there too.
    const isAnyUnknown = errors.length < rest.length || errors.some(isUnknown);
    const known = await this.#judge.recover(left, errors[0], isAnyUnknown);
    this.#settle(left.slice(0, known));
  }

  /** The last one is a part of the run: so are all before it. */
  async #confirm(
    emissions: readonly Emission[],
    last: PromiseSettledResult<Cursor> | undefined,
  ): Promise<void> {
    if (last?.status !== 'fulfilled') return;
    const place = parseCursor(last.value);
    if (place !== undefined) await this.#judge.confirm(place);
    this.#settle(emissions);
  }

  #settle(emissions: readonly Emission[]): void {
    if (this.#isClosed) return;
    for (const { bytes, resolve } of emissions) {
      this.#bytes -= bytes;
      resolve();
    }
    this.#sent = this.#sent.slice(emissions.length);
  }
}

function withKey(record: EventRecord, token: string): EventRecord {
  return { ...record, key: record.key === undefined ? token : `${token}.${record.key}` };
}

/** Whether a publish may succeed later, as nothing is wrong with it. */
export function isPassing(error: unknown): boolean {
  return isUnknown(error) || (isA(error, SseError) && error.code === 'BACKPLANE_UNAVAILABLE');
}

/** Whether what was published may be in the log, or still come into it. */
function isUnknown(error: unknown): boolean {
  return isA(error, SseError) && error.code === 'PUBLISH_OUTCOME_UNKNOWN';
}
