import { type Observable, type Subscription, UnsubscriptionError } from 'rxjs';
import { disown, isA } from '../errors.js';
import { isOfLog } from '../log/stray-streams.js';
import type { Output } from '../reader/sink.js';
import { encodeFrame } from '../wire/frame.js';
import { faultOf, toFields } from '../wire/message.js';
import type { Connection } from './connection.js';
import type { Connections } from './connections.js';
import { isGone } from './http.js';
import { isAsyncIterable, IterableSource } from './iterable-source.js';

/** What Nest says of a handler that returns nothing, and with interceptors has no occasion to. */
const NO_OBSERVABLE = 'You must return an Observable stream to use Server-Sent Events (SSE).';

/** A message that leaves nothing to dispatch. */
interface Fault {
  readonly message: string;
  /** Whether nothing came before it. */
  readonly isOnly: boolean;
  /** Whether it looks as if there were no Observable at all. */
  readonly isMissing: boolean;
}

function isMissing(message: unknown): boolean {
  return message === undefined || typeof message === 'function' || Array.isArray(message);
}

/** Where what a handler's Observable emits comes to its connection. */
export class HandlerObserver implements Output {
  readonly #connection: Connection;
  readonly #connections: Connections;
  /** Of RxJS: who is subscribed to the handler's Observable. */
  #receiver: object | undefined;
  #subscription: Subscription | undefined;
  /** Whether the stream comes here past the receiver, which then only waits for the end. */
  #isDirect = false;
  #hasEmitted = false;
  #hasReported = false;
  /** What was dropped last, and not reported: whether it is all there is, its end tells. */
  #fault: Fault | undefined;
  /** What the handler returned, if that is an async iterable. */
  #source: IterableSource | undefined;

  constructor(connection: Connection, connections: Connections) {
    this.#connection = connection;
    this.#connections = connections;
  }

  subscribeTo(source: Observable<unknown>): void {
    this.#subscription = source.subscribe(this);
  }

  expectFrom(receiver: object): void {
    this.#receiver = receiver;
  }

  /** This very place, if a subscriber only hands on to the receiver. */
  directOutputFor(subscriber: object): Output | undefined {
    const { chain } = this.#connections.nest;
    if (this.#receiver === undefined) return undefined;
    if (chain?.handsOnUnchanged(subscriber, this.#receiver) !== true) return undefined;
    this.#isDirect = true;
    this.#receiver = undefined;
    return this;
  }

  get isDirect(): boolean {
    return this.#isDirect;
  }

  get closed(): boolean {
    return this.#connection.isEnded;
  }

  next(message: unknown): void {
    const { isEnded, reader } = this.#connection;
    if (isEnded) return;
    if (reader !== undefined) {
      reader.onMessage(message);
      return;
    }
    const isFirst = !this.#hasEmitted;
    this.#hasEmitted = true;
    this.#reportFault();
    if (isFirst && isAsyncIterable(message)) {
      this.#pull(message);
      return;
    }
    const fault = faultOf(message, true);
    if (fault !== undefined) {
      disown(message);
      this.#fault = { message: fault, isOnly: isFirst, isMissing: isMissing(message) };
      return;
    }
    const frame = this.#encode(message);
    if (frame !== undefined) this.#connection.write(frame);
  }

  /** Nest gives what a handler returns instead of an Observable as the first message, and the last. */
  #pull(messages: AsyncIterable<unknown>): void {
    const connection = this.#connection;
    this.#source = new IterableSource(messages, {
      get room() {
        return connection.room;
      },
      next: (message) => this.next(message),
      error: (error) => connection.fail(error),
      complete: () => this.#end(),
      onLateError: (error) => connection.warn('A stream failed when it was ended', error),
    });
    void this.#source.run();
  }

  /** There may be room for more. */
  resume(): void {
    if (this.#source !== undefined && this.#connection.room > 0) this.#source.resume();
  }

  /** Takes what an interceptor further out emitted, which may go on when the handler's Observable has ended. */
  onOuterMessage(message: unknown): void {
    if (!this.#connection.isEnded) {
      this.next(message);
      return;
    }
    const fault = faultOf(message, true);
    if (fault !== undefined) {
      this.#connection.warn(fault);
      return;
    }
    const frame = this.#encode(message);
    if (frame !== undefined) this.#connection.writeLate(frame);
  }

  error(error: unknown): void {
    this.#connection.fail(error);
  }

  complete(): void {
    if (this.#source === undefined) this.#end();
  }

  #end(): void {
    const fault = this.#fault;
    if (fault?.isOnly === true && !this.#connection.isEnded) {
      this.#fault = undefined;
      this.#connection.fail(
        fault.isMissing ? new ReferenceError(NO_OBSERVABLE) : new TypeError(fault.message),
      );
      return;
    }
    this.#reportFault();
    this.#connection.end('complete');
  }

  /** Says once for each connection what it dropped. */
  #reportFault(): void {
    const fault = this.#fault;
    this.#fault = undefined;
    if (fault === undefined || this.#hasReported) return;
    this.#hasReported = true;
    this.#connection.warn(fault.message);
  }

  /** Nest lets go, because the connection has ended, its client has left, or Nest's part is over. */
  unsubscribe(): void {
    const connection = this.#connection;
    if (connection.isOurs && !connection.isEnded) return;
    connection.end(isGone(connection.response) ? 'client' : 'complete');
    this.close();
  }

  /** Unsubscribes from what the handler returned. */
  close(): void {
    const { reader } = this.#connection;
    this.#reportFault();
    this.#source?.stop();
    try {
      this.#subscription?.unsubscribe();
    } catch (error) {
      const errors: unknown[] = isA(error, UnsubscriptionError) ? error.errors : [error];
      // Who ends a connection has not caused it.
      for (const each of errors) this.#connection.warn('A stream failed when it was ended', each);
    }
    reader?.close();
  }

  #encode(message: unknown): Buffer | undefined {
    try {
      const fields = toFields(message);
      const isPlaced = fields.id === undefined || this.#takesId(message, fields.id);
      return encodeFrame(isPlaced ? fields : { ...fields, id: undefined });
    } catch (error) {
      this.#connection.warn(
        'A message was dropped: its data is not what JSON can hold, or a field of it no text',
        error,
      );
      return undefined;
    }
  }
  /** Whether the client may be told the id that a message brings, past a reader or without one. */
  #takesId(message: unknown, id: string): boolean {
    // Ids of a client that reads the log are cursors of the log, and its reader tells them.
    if (this.#connection.reader !== undefined) return false;
    if (!isOfLog(message, id, this.#connections.log)) return true;
    this.#connections.onStray();
    return false;
  }
}
