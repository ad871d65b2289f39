import { type Observable, type Subscription, UnsubscriptionError } from 'rxjs';
import type { Output } from '../reader/sink.js';
import { encodeFrame } from '../wire/frame.js';
import { toFields } from '../wire/message.js';
import type { Connection } from './connection.js';
import { isGone } from './http.js';
import type { HandlerChain } from './open-request.js';

/** Where what a handler's Observable emits comes to its connection. */
export class HandlerObserver implements Output {
  readonly #connection: Connection;
  /** Of RxJS: who is subscribed to the handler's Observable. */
  #receiver: object | undefined;
  #subscription: Subscription | undefined;
  /** Whether the stream comes here past the receiver, which then only waits for the end. */
  #isDirect = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  subscribeTo(source: Observable<unknown>): void {
    this.#subscription = source.subscribe(this);
  }

  expectFrom(receiver: object): void {
    this.#receiver = receiver;
  }

  /** This very place, if a subscriber only hands on to the receiver. */
  directOutputFor(subscriber: object, chain: HandlerChain | undefined): Output | undefined {
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
      for (const each of errors) this.#connection.warn('A stream failed when it was ended', each);
    }
    reader?.close();
  }

  #encode(message: unknown): Buffer | undefined {
    try {
      const fields = toFields(message);
      const isPlaced = fields.id === undefined || this.#connection.takesId(message, fields.id);
      return encodeFrame(isPlaced ? fields : { ...fields, id: undefined });
    } catch (error) {
      this.#connection.warn('A message was dropped: its data is not what JSON can hold', error);
      return undefined;
    }
  }
}
