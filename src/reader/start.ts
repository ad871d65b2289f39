import {
  type Cursor,
  formatCursor,
  isBefore,
  parseCursor,
  type StreamPosition,
} from '../log/cursor.js';
import type { GapReason } from '../log/event.js';
import type { Log } from '../log/log.js';
import type { ReaderContext } from './reader-context.js';
import type { ReaderStream } from './reader-stream.js';
import type { ReaderStreams } from './reader-streams.js';
import type { Sink } from './sink.js';
import { Wait } from './waiting-room.js';

/** Where a reader begins, and why it cannot begin where it was asked to, if so. */
export interface StartPoint {
  readonly offset: number;
  readonly gap: GapReason | undefined;
}

/** The start of a reader: finds out where, which may take a wait, or a look into the archive. */
export class Start {
  readonly #context: ReaderContext;
  readonly #streams: ReaderStreams;
  readonly #sink: Sink;
  #requested: Cursor | undefined;
  /** For the cursor that is requested, if its event had to come first. */
  #wait: Wait | undefined;
  #told: Cursor | undefined;
  /** Whether the client brings no place. */
  readonly #isNew: boolean;

  constructor(
    context: ReaderContext,
    streams: ReaderStreams,
    sink: Sink,
    lastEventId: string | undefined,
  ) {
    this.#context = context;
    this.#streams = streams;
    this.#sink = sink;
    this.#requested = lastEventId;
    this.#isNew = lastEventId === undefined;
  }

  /** What the client, or else the code, asks to go on from. */
  get requested(): Cursor | undefined {
    return this.#requested;
  }

  /** The place that the client was told before reading began. */
  get told(): Cursor | undefined {
    return this.#told;
  }

  /**
   * What to tell a client whose response begins, or ends, while its place is looked for; undefined if it was told before.
   *
   * @param here where the log was when the first stream joined
   */
  tell(here: StreamPosition): Cursor | undefined {
    if (this.#told !== undefined) return undefined;
    this.#told = this.#wait?.requested ?? (this.#isNew ? this.#placeOfNew(here) : undefined);
    return this.#told;
  }

  /** Where a new client would have to come back to, so that it misses nothing. Undefined if it is to come back as a new one. */
  #placeOfNew({ epoch, offset }: StreamPosition): Cursor | undefined {
    this.#requested ??= this.#cursorByCode();
    if (this.#requested !== undefined) return this.#requested;
    const { all } = this.#streams;
    const isKnown = (stream: ReaderStream) =>
      stream.plan.snapshot === undefined && stream.isPlaced(this.#context, this.#sink);
    if (all.length === 0 || !all.every(isKnown)) return undefined;
    return formatCursor(epoch, Math.min(offset, ...all.map(({ after }) => after)));
  }

  /** What a new client asks to begin with, if that may be gone. */
  get beginning(): string | undefined {
    if (this.#requested !== undefined) return undefined;
    for (const { plan } of this.#streams.all) {
      const { from } = plan;
      if (from === 'start') return from;
      if (typeof from === 'object' && from.since !== undefined)
        return new Date(from.since).toISOString();
    }
    return undefined;
  }

  /**
   * Finds the position, and puts the streams there. Undefined while it may yet come, or the archive is asked: until
   * then the client is told of no other, and of that only when its response cannot wait any longer: it may be answered 204.
   *
   * @param isReplaced whether another log began after the streams had joined
   */
  find(isReplaced: boolean): StartPoint | undefined {
    this.#requested ??= this.#cursorByCode();
    const cursor = this.#cursorWithin(this.#requested);
    if (cursor !== undefined && this.#wait?.isOver !== true && mayCome(this.#context, cursor)) {
      this.#wait ??= new Wait(this.#sink, this.#streams.joined, cursor);
      this.#context.waitingRoom.enter(this.#wait);
      return undefined;
    }
    if (!this.#areSpansKnown()) return undefined;
    // Where spans begin is a boundary too.
    const within = this.#cursorWithin(this.#requested);
    return this.#isKnown(within) ? this.#putStreamsAt(within, isReplaced) : undefined;
  }

  /** For the streams of which the client has nothing yet. */
  askForSnapshots(): void {
    for (const stream of this.#streams.all)
      if (this.#isNewTo(stream)) stream.askForSnapshot('new', this.#context, this.#sink);
  }

  /** Nobody waits any more. */
  leave(): void {
    this.#context.waitingRoom.leave(this.#wait);
  }

  /** The cursor that the code of a stream goes on from, if it names one. */
  #cursorByCode(): Cursor | undefined {
    for (const { plan } of this.#streams.all) {
      const { from } = plan;
      if (typeof from === 'string' && parseCursor(from) !== undefined) return from;
    }
    return undefined;
  }

  /**
   * The cursor that a client goes on from, or the first one that any of its streams may read from: what was
   * before that was never theirs, and is no gap.
   */
  #cursorWithin(requested: Cursor | undefined): Cursor | undefined {
    const position = requested === undefined ? undefined : parseCursor(requested);
    let least: StreamPosition | undefined;
    for (const stream of this.#streams.all) {
      const boundary = stream.boundaryIn(this.#context);
      if (position === undefined || boundary === undefined || !isBefore(position, boundary))
        return requested;
      if (least === undefined || isBefore(boundary, least)) least = boundary;
    }
    return least === undefined ? requested : formatCursor(least.epoch, least.offset);
  }

  /** False while the archive is asked where to begin, or whether there is anything left to read. */
  #isKnown(requested: Cursor | undefined): boolean {
    const position = requested === undefined ? undefined : parseCursor(requested);
    const isNew = position === undefined || this.#isUnknown(position);
    const isElsewhere = !isNew && position.epoch !== this.#context.log.epoch;
    const verdicts = this.#streams.all.map((stream) => {
      if (isElsewhere) return stream.isGone;
      return isNew
        ? stream.isOverFromStart(this.#context, this.#sink)
        : stream.isOverAt(position.offset, this.#context, this.#sink);
    });
    if (verdicts.includes(undefined)) return false;
    if (!verdicts.every(Boolean)) return true;
    this.#sink.endForGood();
    return false;
  }

  /** False while it is not known which part of their topics some streams are. */
  #areSpansKnown(): boolean {
    const { all } = this.#streams;
    const resumed = this.#requested === undefined ? undefined : parseCursor(this.#requested);
    return all.map((stream) => stream.findSpan(this.#context, this.#sink, resumed)).every(Boolean);
  }

  #putStreamsAt(requested: Cursor | undefined, isReplaced: boolean): StartPoint {
    const { log } = this.#context;
    const { all } = this.#streams;
    for (const stream of all) {
      if (stream.plan.snapshot !== undefined) stream.startAfter(log.head, this.#context);
      // All of it is new to them.
      else if (isReplaced) stream.startAnew(this.#context);
    }
    // Not beyond the log: what is behind a boundary may not have come to this instance.
    const newClient = Math.min(log.head, ...all.map(({ after }) => after));
    const start =
      requested === undefined
        ? this.#startOfNew(newClient, isReplaced)
        : this.#startFor(requested, newClient);
    for (const stream of all) {
      if (requested !== undefined && start.gap !== 'unknown') {
        stream.resumeAfter(start.offset, this.#context);
      }
      stream.topics.seek(start.offset);
    }
    const { offset, gap = all.find(({ gapBefore }) => gapBefore !== undefined)?.gapBefore } = start;
    return { offset, gap };
  }

  /** A client that was told a place in a log that is gone since has missed what came after it. */
  #startOfNew(offset: number, isReplaced: boolean): StartPoint {
    if (!isReplaced || this.#told === undefined) return { offset, gap: undefined };
    return { offset: this.#streams.oldestIn(this.#context.log), gap: 'epoch' };
  }

  /**
   * The offset of the cursor that a client asks for. `unknown` begins as a new client does, a log that is gone at
   * the oldest event that this one has; whether an offset of this log is still covered is a matter of topics.
   */
  #startFor(requested: Cursor, newClient: number): StartPoint {
    const { log, isLocal } = this.#context;
    const position = parseCursor(requested);
    if (position === undefined) return { offset: newClient, gap: 'unknown' };
    const isGone = isLocal ? position.epoch !== log.epoch : position.epoch < log.epoch;
    if (isGone) return { offset: this.#streams.oldestIn(log), gap: 'epoch' };
    if (this.#isUnknown(position)) return { offset: newClient, gap: 'unknown' };
    return { offset: position.offset, gap: undefined };
  }

  /** Whether it is a position in no log that there ever was: its client is as good as new. */
  #isUnknown(position: StreamPosition): boolean {
    const { log, isLocal } = this.#context;
    return (!isLocal || position.epoch === log.epoch) && isAhead(position, log);
  }

  /** Whether the client has nothing of a stream yet: all of it that it may read is after its cursor. */
  #isNewTo(stream: ReaderStream): boolean {
    const requested = this.#requested;
    if (requested === undefined || this.#wait?.precedes(stream) === true) return true;
    const position = parseCursor(requested);
    const boundary = stream.boundaryIn(this.#context);
    return position !== undefined && boundary !== undefined && isBefore(position, boundary);
  }
}

/** Whether a cursor is ahead of this instance's log, so that its event may yet come from another instance. */
function mayCome({ log, isLocal }: ReaderContext, requested: Cursor): boolean {
  const position = isLocal ? undefined : parseCursor(requested);
  return position !== undefined && isAhead(position, log);
}

function isAhead(position: StreamPosition, { epoch, head }: Log): boolean {
  return isBefore({ epoch, offset: head }, position);
}
