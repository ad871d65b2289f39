import type { Subscriber } from 'rxjs';
import type { Entry, EventRecord } from '../log/entry.js';
import type { SseEvent } from '../log/event.js';
import { Floor } from './floor.js';
import type { Selection } from './selection.js';
import type { StreamPlan } from './stream-options.js';

/** One stream that a reader serves. */
export class ReaderStream {
  readonly floor = new Floor();
  /** Events up to this offset are not for this stream. */
  after = 0;
  /** Whether a snapshot was asked for and is not there yet. */
  isOwed = false;
  /** Events of a snapshot that are still to be handed out, the first of them last. */
  snapshot: EventRecord[] | undefined;
  /** When it joined and left its reader, counted over all streams of the reader. */
  joinedAs = 0;
  leftAs = Infinity;
  readonly #subscriber: Subscriber<SseEvent>;
  #hasReported = false;

  constructor(
    readonly selection: Selection,
    readonly plan: StreamPlan,
    subscriber: Subscriber<SseEvent>,
    readonly report: (message: string, error: unknown) => void,
    /** Whether what it emits comes back as messages; otherwise emitting is delivering. */
    readonly isSeated: boolean,
  ) {
    this.#subscriber = subscriber;
  }

  get isClosed(): boolean {
    return this.#subscriber.closed;
  }

  next(event: SseEvent): void {
    if (!this.isSeated) this.floor.settle(Infinity);
    this.#subscriber.next(event);
  }

  complete(): void {
    this.#subscriber.complete();
  }

  error(error: unknown): void {
    this.#subscriber.error(error);
  }

  /** @param catchUpTo events up to this offset were not read live */
  wants(entry: Entry, catchUpTo: number): boolean {
    if (entry.offset <= this.after || this.isClosed || !this.#admits(entry)) return false;
    if (!this.plan.latestPerKey || entry.offset > catchUpTo) return true;
    // What `where` drops replaces nothing: the client would be left with neither.
    return !this.selection.isReplaced(entry, (later) => this.#admits(later));
  }

  #admits(entry: Entry): boolean {
    const { where } = this.plan;
    if (where === undefined) return true;
    try {
      return where(entry.event);
    } catch (error) {
      // Ending the stream would bring the client back to the same event, for ever.
      if (!this.#hasReported) {
        this.report(
          `A stream's where threw, and dropped event ${entry.epoch}.${entry.offset}`,
          error,
        );
      }
      this.#hasReported = true;
      return false;
    }
  }
}

/** Whether one of the streams lost events after `offset` that were for it. */
export function haveLost(streams: readonly ReaderStream[], offset: number): boolean {
  for (const { selection, after } of streams) {
    const { lost } = selection;
    if (lost > offset && lost > after) return true;
  }
  return false;
}

/** The first entry after `offset` that one of the streams selects. */
export function nextAfter(streams: readonly ReaderStream[], offset: number): Entry | undefined {
  let next: Entry | undefined;
  for (const { selection } of streams) {
    const entry = selection.after(offset);
    if (entry !== undefined && (next === undefined || entry.offset < next.offset)) next = entry;
  }
  return next;
}
