import { encodeFrame } from '../wire/frame.js';
import { faultOf, toFields } from '../wire/message.js';
import { disown } from '../errors.js';
import { Entry, looseEvent } from '../log/entry.js';
import { type Cursor, formatCursor, type StreamPosition } from '../log/cursor.js';
import { STRAY_EVENT } from '../log/stray-streams.js';
import { MessageIds } from './message-ids.js';
import type { ReaderContext } from './reader-context.js';
import type { ReaderStream } from './reader-stream.js';
import type { ReaderStreams } from './reader-streams.js';
import type { Sink } from './sink.js';
import { WRAPPED_EVENT, wrapsEvent } from './wrapped-event.js';

/** Stands for no message: undefined can be one. */
const NOTHING = Symbol();

/**
 * The way of events through the user's operators. A message that comes out while an event passes
 * inherits the event's id, the last one if there are several; one that comes out later has to bring it.
 */
export class Operators {
  readonly #sink: Sink;
  readonly #ids: MessageIds;
  readonly #context: ReaderContext;
  readonly #streams: ReaderStreams;
  #hasWarned = false;
  #hasReported = false;
  /** The stream whose event passes now; the offset that is reached when it has passed, if any. */
  #passing: ReaderStream | undefined;
  #offset: number | undefined;
  #isShared = false;
  /** What came out last, and the offset that it names or inherits. */
  #last: unknown = NOTHING;
  #lastOffset: number | undefined;

  /** @param told the place that the client knows, in the log that its reader is in; of offset -1 if it knows none */
  constructor(context: ReaderContext, sink: Sink, streams: ReaderStreams, told: StreamPosition) {
    this.#context = context;
    this.#sink = sink;
    this.#ids = new MessageIds(streams, told);
    this.#streams = streams;
  }

  /** Hands an event of the log to the streams that take it. */
  pass(entry: Entry, takers: readonly ReaderStream[]): void {
    this.#isShared = takers.length > 1;
    this.#ids.reach(entry.offset);
    for (const { held } of takers) held.hand(entry.offset);
    this.#offset = entry.offset;
    const { event } = entry;
    for (const stream of takers) {
      this.#passing = stream;
      stream.next(event);
    }
    this.#endPass();
  }

  /** Hands out one event of a stream's snapshot, if there is any; with the last one the client is at `offset`. */
  passSnapshot(stream: ReaderStream, offset: number): void {
    const record = stream.snapshot?.pop();
    const isLast = stream.snapshot?.length === 0;
    if (isLast) {
      stream.snapshot = undefined;
      stream.held.pin(offset);
    }
    if (record === undefined) {
      stream.held.settle(offset);
      this.#writeId(offset);
      return;
    }
    if (isLast) this.#ids.reach(offset);
    this.#offset = isLast ? offset : undefined;
    this.#passing = stream;
    stream.next(looseEvent(record, isLast ? this.#cursorAt(offset) : undefined));
    this.#endPass();
  }

  /** Something came out of the operators. What leaves nothing to dispatch settles nothing, and has no id. */
  onMessage(message: unknown): void {
    if (Entry.of(message) === undefined) {
      const fault = faultOf(message, false);
      if (fault !== undefined) {
        this.#drop(message, fault);
        return;
      }
      if (wrapsEvent(message)) this.#context.warnOnce(WRAPPED_EVENT);
    }
    const position = this.#ids.positionOf(message);
    if (position !== undefined) this.#ids.settleCovered(position);
    const own = position?.epoch === this.#ids.epoch ? position.offset : undefined;
    if (this.#passing === undefined) {
      this.#onLateMessage(message, own, position !== undefined);
      return;
    }
    const offset = own ?? this.#offset;
    if (offset !== undefined) this.#ids.settle(offset, this.#passing);
    if (this.#isShared && message === this.#last) return;
    this.flush(false);
    this.#last = message;
    this.#lastOffset = offset;
  }

  /** Writes what came out last. Of a pass, only the last message carries the id of what passed. */
  flush(isLast: boolean): void {
    if (this.#last === NOTHING) return;
    const message = this.#last;
    this.#last = NOTHING;
    const isPlaced = isLast || this.#lastOffset !== this.#offset;
    this.#write(message, isPlaced ? this.#lastOffset : undefined, this.#isShared);
  }

  /** The cursor to tell the client for having reached `offset`; undefined if that is nothing new or not safe. */
  tell(offset: number): string | undefined {
    this.#ids.reach(offset);
    const told = this.#ids.upTo(offset);
    this.#ids.tell(told);
    return told === undefined ? undefined : this.#cursorAt(told);
  }

  /** See {@link MessageIds.reset}. */
  reset(epoch: string): void {
    this.#ids.reset(epoch);
  }

  /** See {@link MessageIds.areMoreHeld}. */
  get holdMore(): boolean {
    return this.#ids.areMoreHeld;
  }

  /** All that there was has come out: the client is told how far that is. */
  tellEnd(offset: number): void {
    this.#ids.settleAll();
    this.#writeId(offset);
  }

  depart(stream: ReaderStream): void {
    this.#ids.depart(stream);
  }

  #cursorAt(offset: number): Cursor {
    return formatCursor(this.#ids.epoch, offset);
  }

  #drop(message: unknown, fault: string): void {
    disown(message);
    if (!this.#hasReported) this.#context.warn(fault);
    this.#hasReported = true;
  }

  #endPass(): void {
    this.flush(true);
    this.#passing = undefined;
    const offset = this.#offset;
    this.#offset = undefined;
    if (!this.#isShared) return;
    this.#isShared = false;
    this.#ids.forgetSettled();
    if (offset !== undefined) this.#writeId(offset);
  }

  #writeId(offset: number): void {
    const id = this.tell(offset);
    if (id !== undefined) this.#sink.tell(id);
  }

  /** @param isPlaced whether it names a place, perhaps in another log: then it has no offset */
  #onLateMessage(message: unknown, offset: number | undefined, isPlaced: boolean): void {
    const entry = Entry.of(message);
    if (entry !== undefined && !this.#selects(entry)) this.#context.warnOnce(STRAY_EVENT);
    if (offset !== undefined) this.#ids.settleLate(offset);
    else if (!isPlaced && this.#ids.areHeld) this.#onMissingId();
    this.#write(message, offset, entry !== undefined && this.#ids.isHeld(entry.offset));
    this.#ids.forgetSettled();
  }

  /** Some event, perhaps, has come out without its id. */
  #onMissingId(): void {
    const consequence =
      'so a client that loses its connection gets it again. Pass the id on: map to { ...event, data }.';
    if (!this.#streams.isProven) {
      this.#context.warnOnce(
        'A message without an id came to a client, and none that has the id of an event. If events of the ' +
          `bus come to it in a way that cannot be seen, it is one of them, ${consequence} If the handler only ` +
          'listens for itself, it had better do so outside of the request.',
      );
    } else if (!this.#hasWarned) {
      this.#hasWarned = true;
      this.#context.warn(
        `A message came out of an asynchronous operator without the id of its event, ${consequence}`,
      );
    }
  }

  /** Whether the event can have come by a stream of this connection, or by one that was. */
  #selects(entry: Entry): boolean {
    if (this.#ids.isHeld(entry.offset)) return true;
    return this.#streams.all.some(({ topics }) => topics.selectsAnyOf(entry.topics));
  }

  /** @param isShared whether it may come out of another stream as well */
  #write(message: unknown, offset: number | undefined, isShared: boolean): void {
    const entry = Entry.of(message);
    if (entry !== undefined && this.#ids.isRepeated(entry, isShared)) return;
    const told = offset === undefined ? undefined : this.#ids.upTo(offset);
    this.#ids.tell(told);
    if (entry !== undefined && entry.offset === told && entry.epoch === this.#ids.epoch) {
      this.#sink.write(entry.frame);
      return;
    }
    const id = told === undefined ? undefined : this.#cursorAt(told);
    const frame = this.#encode(message, id);
    if (frame !== undefined) this.#sink.write(frame);
  }

  #encode(message: unknown, id: string | undefined): Buffer | undefined {
    try {
      return encodeFrame({ ...toFields(message), id });
    } catch (error) {
      this.#context.warn(
        'A message was dropped: its data is not what JSON can hold, or a field of it no text',
        error,
      );
      if (id !== undefined) this.#sink.tell(id);
      return undefined;
    }
  }
}
