import type { Entry, EventRecord } from '../log/entry.js';
import type { GapReason, SseEvent } from '../log/event.js';
import type { Log } from '../log/log.js';
import { HeldOffsets } from './held-offsets.js';
import type { TopicCursor } from './topic-cursor.js';
import type { Output, Sink } from './sink.js';
import { readSnapshot } from './snapshot.js';
import type { StreamPlan } from './stream-options.js';

const NONE: readonly ReaderStream[] = [];

/** One stream that a reader serves. */
export class ReaderStream {
  #held: HeldOffsets | undefined;
  /** Events up to this offset are not for this stream. */
  after = 0;
  /** Whether a snapshot was asked for and is not there yet. */
  isOwed = false;
  /** Events of a snapshot that are still to be handed out, the first of them last. */
  snapshot: EventRecord[] | undefined;
  /** When it joined and left its reader, counted over all streams of the reader. */
  joinedAs = 0;
  leftAs: number | undefined;
  readonly #output: Output;
  #hasReported = false;

  constructor(
    readonly topics: TopicCursor,
    readonly plan: StreamPlan,
    output: Output,
    readonly report: (message: string, error: unknown) => void,
    /**
     * What becomes of what it emits: it comes back as messages; it comes back at once, as it is; it is
     * delivered by being emitted.
     */
    readonly way: 'operators' | 'direct' | 'subscriber',
    /**
     * Makes it leave the connection, if it is there as a guest: nobody can see whether its events go to the
     * client, so it is there only while no stream is of which that can be seen.
     */
    readonly expel?: (() => void) | undefined,
  ) {
    this.#output = output;
  }

  /** Whether whatever its topics have goes to the client as it is. */
  get isUnmodified(): boolean {
    const { where, snapshot, latestPerKey } = this.plan;
    return this.way === 'direct' && where === undefined && snapshot === undefined && !latestPerKey;
  }

  /** Made when it is needed: what an unmodified stream reads is never held. */
  get held(): HeldOffsets {
    return (this.#held ??= new HeldOffsets());
  }

  /** See {@link expel}. */
  get isGuest(): boolean {
    return this.expel !== undefined;
  }

  get isClosed(): boolean {
    return this.#output.closed;
  }

  next(event: SseEvent): void {
    if (this.way === 'subscriber') this.held.settle(Infinity);
    this.#output.next(event);
  }

  complete(): void {
    this.#output.complete();
  }

  error(error: unknown): void {
    this.#output.error(error);
  }

  /**
   * Asks for a snapshot, if the stream has any: until it is there, and has been handed out, no place is safe.
   *
   * @param head what is published after it follows the snapshot
   * @param reader told when it is there
   */
  askForSnapshot(reason: 'new' | 'gap', head: number, reader: Pick<Sink, 'schedule'>): void {
    const { snapshot } = this.plan;
    if (snapshot === undefined) return;
    this.after = head;
    this.held.pin();
    this.isOwed = true;
    void readSnapshot(() => snapshot({ reason }), this.topics.names).then((answer) => {
      this.isOwed = false;
      if ('error' in answer) this.error(answer.error);
      else this.snapshot = answer.toReversed();
      reader.schedule();
    });
  }

  /** Goes on at a place: that of the connection which it joins now, or the other side of a gap. */
  goOn(
    reason: 'new' | GapReason,
    offset: number,
    head: number,
    reader: Pick<Sink, 'schedule'>,
  ): void {
    this.held.clear();
    this.snapshot = undefined;
    if (reason === 'new' || reason === 'epoch') this.after = offset;
    this.topics.seek(offset);
    this.askForSnapshot(reason === 'new' ? 'new' : 'gap', head, reader);
  }

  /** @param catchUpTo events up to this offset were not read live */
  wants(entry: Entry, catchUpTo: number): boolean {
    if (entry.offset <= this.after || this.isClosed || !this.#admits(entry)) return false;
    if (!this.plan.latestPerKey || entry.offset > catchUpTo) return true;
    // What `where` drops replaces nothing: the client would be left with neither.
    return !this.topics.isReplaced(entry, (later) => this.#admits(later));
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
  for (const { topics, after } of streams) {
    const { lost } = topics;
    if (lost > offset && lost > after) return true;
  }
  return false;
}

/** The first entry after `offset` that one of the streams selects. */
export function nextAfter(streams: readonly ReaderStream[], offset: number): Entry | undefined {
  let next: Entry | undefined;
  for (const { topics } of streams) {
    const entry = topics.after(offset);
    if (entry !== undefined && (next === undefined || entry.offset < next.offset)) next = entry;
  }
  return next;
}

/** Whether one that has read up to `offset` has read all that there is, and has missed nothing. */
export function haveNothingAfter(
  streams: readonly ReaderStream[],
  offset: number,
  log: Log,
): boolean {
  if (areOwed(streams) || haveLost(streams, offset)) return false;
  if (log.holeAfter(offset) !== undefined) return false;
  return nextAfter(streams, offset) === undefined;
}

/** Whether one of the streams waits for its snapshot. */
export function areOwed(streams: readonly ReaderStream[]): boolean {
  for (const { isOwed } of streams) if (isOwed) return true;
  return false;
}

/**
 * The streams that take an entry, the first one after `offset`.
 *
 * @param catchUpTo see {@link ReaderStream.wants}
 */
export function takersOf(
  streams: readonly ReaderStream[],
  entry: Entry,
  offset: number,
  catchUpTo: number,
): readonly ReaderStream[] {
  const [only] = streams;
  const isTaker = (stream: ReaderStream) =>
    stream.topics.after(offset) === entry && stream.wants(entry, catchUpTo);
  // Nothing is allocated for an event of a connection that has one stream.
  if (streams.length === 1 && only !== undefined) return isTaker(only) ? streams : NONE;
  return streams.filter(isTaker);
}
