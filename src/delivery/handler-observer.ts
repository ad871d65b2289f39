import { type Observable, type Subscription, UnsubscriptionError } from 'rxjs';
import { isOfLog } from '../log/stray-streams.js';
import type { Output } from '../reader/sink.js';
import { encodeFrame } from '../wire/frame.js';
import { toFields } from '../wire/message.js';
import type { Connection } from './connection.js';
import type { Connections } from './connections.js';
import { isGone } from './http.js';

/** Where what a handler's Observable emits comes to its connection. */
export class HandlerObserver implements Output {
  readonly #connection: Connection;
  readonly #connections: Connections;
  /** Of RxJS: who is subscribed to the handler's Observable. */
  #receiver: object | undefined;
  #subscription: Subscription | undefined;
  /** Whether the stream comes here past the receiver, which then only waits for the end. */
  #isDirect = false;

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
    const { chain } = this.#connections;
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
    if (isEnded || message === undefined) return;
    if (reader !== undefined) {
      reader.onMessage(message);
      return;
    }
    const frame = this.#encode(message);
    if (frame !== undefined) this.#connection.write(frame);
  }

  /** Takes what an interceptor further out emitted, which may go on when the handler's Observable has ended. */
  onOuterMessage(message: unknown): void {
    if (!this.#connection.isEnded) {
      this.next(message);
      return;
    }
    const frame = this.#encode(message);
    if (frame !== undefined) this.#connection.writeLate(frame);
  }

  error(error: unknown): void {
    this.#connection.fail(error);
  }

  complete(): void {
    this.#connection.end('complete');
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
    try {
      this.#subscription?.unsubscribe();
    } catch (error) {
      const errors: unknown[] = error instanceof UnsubscriptionError ? error.errors : [error];
      // Who ends a connection has not caused it.
      for (const each of errors) this.#connections.warn('A stream failed when it was ended', each);
    }
    reader?.close();
  }

  #encode(message: unknown): Buffer | undefined {
    try {
      const fields = toFields(message);
      const isPlaced = fields.id === undefined || this.#takesId(message, fields.id);
      return encodeFrame(isPlaced ? fields : { ...fields, id: undefined });
    } catch (error) {
      this.#connections.warn('A message was dropped: its data is not what JSON can hold', error);
      return undefined;
    }
  }
  /** Whether the client may be told the id that a message brings, past a reader or without one. */
  #takesId(message: unknown, id: string): boolean {
    // Ids of a client that reads the log are places in the log, and its reader tells them.
    if (this.#connection.reader !== undefined) return false;
    if (!isOfLog(message, id, this.#connections.log)) return true;
    this.#connections.onStray();
    return false;
  }
}
