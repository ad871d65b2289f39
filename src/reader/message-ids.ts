import { isBefore, parseCursor, type StreamPosition } from '../log/cursor.js';
import { Entry } from '../log/entry.js';
import type { ReaderStream } from './reader-stream.js';
import type { ReaderStreams } from './reader-streams.js';

/** Decides which id a message may carry, so that no id overtakes an event (rule 5). */
export class MessageIds {
  /** Of the log that the reader is in: another one may have taken its place already. */
  #epoch: string;
  readonly #streams: ReaderStreams;
  /** Streams that have left while operators held events of theirs. */
  #departed: ReaderStream[] = [];
  /** The offset that the client knows; -1 when it knows none of this log. */
  #told: number;
  /** How far the reader is: no message can name an offset beyond it. */
  #reached: number;
  /** Entries handed to several streams whose own frame has gone out, while one of them may yet emit it. */
  #sentOnce: Set<Entry> | undefined;
  /** The last event that operators held of a stream when a gap covered it, and have not given yet. */
  readonly #covered = new Map<ReaderStream, StreamPosition>();
  /** How often an offset that several streams hold has still to come out before none of them does. */
  #timesLeft: Map<number, number> | undefined;

  constructor(streams: ReaderStreams, { epoch, offset }: StreamPosition) {
    this.#epoch = epoch;
    this.#told = this.#reached = offset;
    this.#streams = streams;
  }

  /** The client begins, or goes on behind a gap, in the log of that epoch: what operators hold is covered by the gap. */
  reset(epoch: string): void {
    this.#told = this.#reached = -1;
    for (const stream of this.#streams.all) {
      const { last } = stream.held;
      stream.held.clear();
      if (last === undefined) continue;
      const timesLeft = this.#timesLeft?.get(last);
      if (timesLeft === 0) continue;
      if (timesLeft !== undefined) this.#timesLeft?.set(last, timesLeft - 1);
      this.#covered.set(stream, { epoch: this.#epoch, offset: last });
    }
    this.#epoch = epoch;
    this.#departed = [];
    this.#sentOnce = this.#timesLeft = undefined;
  }

  /** The reader has come to `offset`. */
  reach(offset: number): void {
    if (offset > this.#reached) this.#reached = offset;
  }

  /** The furthest offset up to `offset` that can be told, if that tells the client anything new. */
  upTo(offset: number): number | undefined {
    let least = offset < this.#reached ? offset : this.#reached;
    for (const { held } of this.#streams.all) if (held.value < least) least = held.value;
    for (const { held } of this.#departed) if (held.value < least) least = held.value;
    return least > this.#told ? least : undefined;
  }

  /** The client has been told. */
  tell(offset: number | undefined): void {
    if (offset !== undefined) this.#told = offset;
  }

  get epoch(): string {
    return this.#epoch;
  }

  /** The place that a message names as its own, in this log or another one. */
  positionOf(message: unknown): StreamPosition | undefined {
    const entry = Entry.of(message);
    if (entry !== undefined) return entry;
    const id = idOf(message);
    return id === undefined ? undefined : parseCursor(id);
  }

  /** What a gap covered has come out, if it is the last of it that has. */
  settleCovered({ epoch, offset }: StreamPosition): void {
    for (const [stream, last] of this.#covered) {
      if (last.epoch !== epoch || last.offset !== offset) continue;
      this.#covered.delete(stream);
      return;
    }
  }

  /** Whether operators have yet to give what they held when a gap covered it, or when its stream came to its end. */
  get areMoreHeld(): boolean {
    return (
      this.#streams.all.some((stream) => this.#covered.has(stream)) ||
      this.#departed.some(({ hasCompleted, held }) => hasCompleted && held.holdsAny)
    );
  }

  /** A message of that offset has come out of the operators, while an event of `from` passed. */
  settle(offset: number, from: ReaderStream): void {
    this.#streams.isProven = true;
    this.#settle(offset, from);
    if (this.#departed.length > 0) this.#settleDeparted(offset, from);
  }

  /** A message of that offset has come out of the operators at some other time. */
  settleLate(offset: number): void {
    const holders = this.#holdersOf(offset);
    if (holders.length > 0) this.#streams.isProven = true;
    // Out of which one it came cannot be seen; that it came out of all can.
    const left = (this.#timesLeft?.get(offset) ?? holders.length) - 1;
    if (left > 0 && holders.length > 1) (this.#timesLeft ??= new Map()).set(offset, left);
    else for (const stream of holders) this.#settle(offset, stream);
    if (this.#departed.length > 0) {
      this.#settleDeparted(offset, holders.length === 1 ? holders[0] : undefined);
    }
  }

  /** Whether operators hold events, so that a message without an id may be one of them. */
  get areHeld(): boolean {
    return [...this.#streams.all, ...this.#departed].some(({ held }) => held.holdsAny);
  }

  /** A stream has left; what its operators still hold may come out yet. */
  depart(stream: ReaderStream): void {
    this.#covered.delete(stream);
    if (stream.held.holdsAny) this.#departed.push(stream);
  }

  /** Nothing comes out any more. */
  settleAll(): void {
    this.#departed = [];
    this.#covered.clear();
    for (const { held } of this.#streams.all) held.clear();
  }

  /** Whether the event itself, unchanged, has gone out already for another stream. */
  isRepeated(entry: Entry, isShared: boolean): boolean {
    if (this.#sentOnce?.has(entry)) return true;
    if (isShared) (this.#sentOnce ??= new Set()).add(entry);
    return false;
  }

  /** Whether operators of some stream hold the event of that offset. */
  isHeld(offset: number): boolean {
    return this.#holdersOf(offset).length > 0;
  }

  /** Forgets what no stream can repeat any more. */
  forgetSettled(): void {
    for (const entry of this.#sentOnce ?? []) {
      if (!this.isHeld(entry.offset)) this.#sentOnce?.delete(entry);
    }
    for (const offset of this.#timesLeft?.keys() ?? []) {
      if (!this.isHeld(offset)) this.#timesLeft?.delete(offset);
    }
  }

  #settle(offset: number, stream: ReaderStream): void {
    stream.held.settle(offset);
    const covered = this.#covered.get(stream);
    const isPast = covered !== undefined && isBefore(covered, { epoch: this.#epoch, offset });
    if (isPast) this.#covered.delete(stream);
  }

  #holdersOf(offset: number): ReaderStream[] {
    return [...this.#streams.all, ...this.#departed].filter(({ held }) => held.holds(offset));
  }

  #settleDeparted(offset: number, from: ReaderStream | undefined): void {
    // A stream that joined later took the place of the one that left (switchMap): those events are dropped.
    for (const departed of this.#departed) {
      if (from !== undefined && from.joinedAs > (departed.leftAs ?? Infinity))
        departed.held.settle(offset);
    }
    this.#departed = this.#departed.filter(({ held }) => held.holdsAny);
  }
}

/** The id that a message brings; one whose getter throws brings none. */
function idOf(message: unknown): string | undefined {
  try {
    const { id } = (message ?? {}) as { id?: unknown };
    return typeof id === 'string' ? id : undefined;
  } catch {
    return undefined;
  }
}
