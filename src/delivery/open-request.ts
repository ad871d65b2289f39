import type { StreamPosition } from '../log/cursor.js';
import type { HttpResponse } from './http.js';
import type { ConnectionOptions } from './options.js';

/** One open response, as who opens it describes it. */
export interface OpenRequest {
  readonly response: HttpResponse;
  readonly gate: ResponseGate;
  readonly method: string;
  /** The pattern that the request matched. */
  readonly pattern: string;
  /** As requested, without the query. */
  readonly path: string;
  readonly remoteAddress: string;
  readonly lastEventId: string | undefined;
  /** Of its route. */
  readonly options: ConnectionOptions;
  /** Where the log was before the first guard was asked: it was let in by what was known then. */
  readonly arrival: StreamPosition;
  /** Whether nobody further out waits for what the handler's Observable does. */
  readonly isOutermost: boolean;
}

/** Ends the Observable that Nest has subscribed to: with it Nest ends the response. */
export interface NestObserver {
  complete(): void;
  error(error: unknown): void;
}

/** Takes what Nest would write. */
export interface OuterMessageObserver {
  onOuterMessage(message: unknown): void;
}

/** What stands between Nest and a response. */
export interface ResponseGate {
  /**
   * Sends the headers, or leaves it to Nest to send them where there is no gate to hold them.
   *
   * @throws what Node throws for a header that it refuses; nothing has been sent then
   */
  commit(): void;
  /**
   * Takes the response from Nest, which finishes its part and keeps nothing of it: its stream, its
   * subscription and all that waits for them are more than what we keep for a connection.
   *
   * @param finish completes what Nest has subscribed to
   */
  takeOver(finish: () => void): void;
  /** Has the headers say that the socket closes after this response; HTTP/2 has no such header. */
  announceClose(): void;
  /** Answers 204 and ends, if nothing has been sent; false if that is not possible any more. */
  answerNoContent(): boolean;
  /** Tells the handler, which may listen to its `@SseSignal()`, that nobody listens to it any more. */
  abort(): void;
  /** Ends a response that was taken over, unless it is destroyed. */
  end(): void;
  /** Where messages go that Nest would write itself, those of interceptors further out. */
  divert(diversion: OuterMessageObserver): void;
}

/** What is known of the subscribers between the Observable that a handler returns and its connection. */
export interface HandlerChain {
  /** Whether `receiver` is given what `subscriber` is given, as it is, by Nest's own subscribers only. */
  handsOnUnchanged(subscriber: object, receiver: object): boolean;
}

/** What the inside of Nest, RxJS and Node lets us do. */
export interface NestPort {
  /** Undefined if everything has to go through RxJS. */
  readonly chain: HandlerChain | undefined;
  /** Whether a gate holds back the headers, and hands a response over. */
  readonly holdsResponses: boolean;
  /** Bytes that the kernel has taken of a response's socket, a large write's as it is being taken; 0 if nobody tells. */
  takenOf(response: HttpResponse): number;
}

/** Knows the context that a request is traced in. */
export interface ConnectionTracer {
  /** Calls what asks the handler in that context. */
  run<T>(connection: TracedConnection, work: () => T): T;
}

/** A connection as it is traced. */
export interface TracedConnection {
  readonly id: string;
  readonly response: HttpResponse;
}
