import { encodeFrame } from '../wire/frame.js';
import { toFields } from '../wire/message.js';
import { Entry } from '../log/entry.js';
import type { SseEvent } from '../log/event.js';
import type { Log } from '../log/log.js';
import { MessageIds } from './message-ids.js';
import type { ReaderStream } from './reader-stream.js';
import type { Sink } from './sink.js';

type Warn = (message: string, error?: unknown) => void;

/** Stands for no message: undefined can be one. */
const NOTHING = Symbol();
const NONE: readonly ReaderStream[] = [];

/**
 * The way of events through the user's operators. A message that comes out while an event passes
 * inherits the event's id, the last one if there are several; one that comes out later has to bring it.
 */
export class Passage {
  readonly #log: Log;
  readonly #sink: Sink;
  readonly #ids: MessageIds;
  readonly #warn: Warn;
  #hasWarned = false;
  /** The stream whose event passes now; the place that is reached when it has passed, if any. */
  #passing: ReaderStream | undefined;
  #offset: number | undefined;
  #isShared = false;
  /** What came out last, and the place that it names or inherits. */
  #last: unknown = NOTHING;
  #lastOffset: number | undefined;

  constructor(log: Log, sink: Sink, streams: readonly ReaderStream[], warn: Warn) {
    this.#log = log;
    this.#sink = sink;
    this.#ids = new MessageIds(log, streams);
    this.#warn = warn;
  }

  /** Hands an event of the log to the streams that want it. */
  pass(entry: Entry, first: ReaderStream, others: readonly ReaderStream[] = NONE): void {
    this.#isShared = others.length > 0;
    this.#ids.reach(entry.offset);
    first.floor.hand(entry.offset);
    for (const { floor } of others) floor.hand(entry.offset);
    this.#offset = entry.offset;
    this.#passing = first;
    first.next(entry.event);
    for (const stream of others) {
      this.#passing = stream;
      stream.next(entry.event);
    }
    this.#endPass();
  }

  /** @param offset the place that is reached with the event, for the last one of a snapshot */
  passSnapshot(event: SseEvent, offset: number | undefined, stream: ReaderStream): void {
    if (offset !== undefined) this.#ids.reach(offset);
    this.#offset = offset;
    this.#passing = stream;
    stream.next(event);
    this.#endPass();
  }

  /** Something came out of the operators. */
  take(message: unknown): void {
    const own = this.#ids.offsetOf(message);
    if (this.#passing === undefined) {
      this.#takeLate(message, own);
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
    return told === undefined ? undefined : this.#log.cursorAt(told);
  }

  /** The client goes on somewhere else: no id that it knows counts. */
  reset(): void {
    this.#ids.reset();
  }

  depart(stream: ReaderStream): void {
    this.#ids.depart(stream);
  }

  #endPass(): void {
    this.flush(true);
    this.#passing = undefined;
    const offset = this.#offset;
    this.#offset = undefined;
    if (!this.#isShared) return;
    this.#isShared = false;
    this.#ids.forgetSettled();
    const id = offset === undefined ? undefined : this.tell(offset);
    if (id !== undefined) this.#sink.write(encodeFrame({ id }));
  }

  #takeLate(message: unknown, offset: number | undefined): void {
    if (offset !== undefined) {
      this.#ids.settleLate(offset);
    } else if (!this.#hasWarned && this.#ids.areHeld) {
      this.#hasWarned = true;
      this.#warn(
        'A message came out of an asynchronous operator without the id of its event, so a client that ' +
          'loses its connection gets it again. Pass the id on: map to { ...event, data }.',
      );
    }
    const entry = Entry.of(message);
    this.#write(message, offset, entry !== undefined && this.#ids.isHeld(entry.offset));
    this.#ids.forgetSettled();
  }

  /** @param isShared whether it may come out of another stream as well */
  #write(message: unknown, offset: number | undefined, isShared: boolean): void {
    const entry = Entry.of(message);
    if (entry !== undefined && this.#ids.isRepeated(entry, isShared)) return;
    const told = offset === undefined ? undefined : this.#ids.upTo(offset);
    this.#ids.tell(told);
    if (entry !== undefined && entry.offset === told && entry.epoch === this.#log.epoch) {
      this.#sink.write(entry.frame);
      return;
    }
    const id = told === undefined ? undefined : this.#log.cursorAt(told);
    const frame = this.#encode(message, id);
    if (frame !== undefined) this.#sink.write(frame);
  }

  #encode(message: unknown, id: string | undefined): Buffer | undefined {
    try {
      return encodeFrame({ ...toFields(message), id });
    } catch (error) {
      this.#warn('A message was dropped: its data is not what JSON can hold', error);
      return undefined;
    }
  }
}
