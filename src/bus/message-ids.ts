import { parseCursor } from '../log/cursor.js';
import { Entry } from '../log/entry.js';
import type { Log } from '../log/log.js';
import type { ReaderStream } from './reader-stream.js';

/** Decides which id a message may carry, so that no id overtakes an event (rule 5). */
export class MessageIds {
  readonly #log: Log;
  readonly #streams: readonly ReaderStream[];
  /** Streams that have left while operators held events of theirs. */
  #departed: ReaderStream[] = [];
  /** The offset that the client knows; -1 when it knows none of this log. */
  #told = -1;
  /** Offsets handed to several streams whose own frame has gone out, while one of them may yet emit it. */
  readonly #sentOnce = new Set<number>();

  constructor(log: Log, streams: readonly ReaderStream[]) {
    this.#log = log;
    this.#streams = streams;
  }

  /** The client begins anew, or somewhere else. */
  reset(told = -1): void {
    this.#told = told;
    this.#departed = [];
    this.#sentOnce.clear();
  }

  /** The furthest offset up to `offset` that can be told, if that tells the client anything new. */
  upTo(offset: number): number | undefined {
    let least = offset;
    for (const { floor } of this.#streams) least = Math.min(least, floor.value);
    for (const { floor } of this.#departed) least = Math.min(least, floor.value);
    return least > this.#told ? least : undefined;
  }

  /** The client has been told. */
  tell(offset: number | undefined): void {
    if (offset !== undefined) this.#told = offset;
  }

  /** The offset that a message names as its own, if it is one of this log's. */
  offsetOf(message: unknown): number | undefined {
    const entry = Entry.of(message);
    if (entry !== undefined) return entry.epoch === this.#log.epoch ? entry.offset : undefined;
    if (typeof message !== 'object' || message === null || !('id' in message)) return undefined;
    if (typeof message.id !== 'string') return undefined;
    const place = parseCursor(message.id);
    return place?.epoch === this.#log.epoch ? place.offset : undefined;
  }

  /** A message of that offset has come out of the operators. */
  settle(offset: number, from: ReaderStream | undefined): void {
    const stream = from ?? this.#streams.find(({ floor }) => floor.holds(offset));
    stream?.floor.settle(offset);
    if (this.#departed.length > 0) this.#settleDeparted(offset, stream);
  }

  /** Whether operators hold events, so that a message without an id may be one of them. */
  get areHeld(): boolean {
    return [...this.#streams, ...this.#departed].some(({ floor }) => floor.holdsAny);
  }

  /** A stream has left; what its operators still hold may come out yet. */
  depart(stream: ReaderStream): void {
    if (stream.floor.holdsAny) this.#departed.push(stream);
  }

  /** Whether the event itself, unchanged, has gone out already for another stream. */
  isRepeated(entry: Entry, isShared: boolean): boolean {
    if (this.#sentOnce.has(entry.offset)) return true;
    if (isShared) this.#sentOnce.add(entry.offset);
    return false;
  }

  /** Forgets what no stream can repeat any more. */
  forgetSettled(): void {
    if (this.#sentOnce.size === 0) return;
    for (const offset of this.#sentOnce) {
      if (!this.#streams.some(({ floor }) => floor.holds(offset))) this.#sentOnce.delete(offset);
    }
  }

  #settleDeparted(offset: number, from: ReaderStream | undefined): void {
    // A stream that joined later took the place of the one that left (switchMap): those events are dropped.
    const settles = (departed: ReaderStream) =>
      from === undefined ? departed.floor.holds(offset) : from.joinedAs > departed.leftAs;
    for (const departed of this.#departed.filter(settles)) departed.floor.settle(offset);
    this.#departed = this.#departed.filter(({ floor }) => floor.holdsAny);
  }
}
