import type { HeaderGate } from './header-gate.js';
import type { HttpResponse } from './http.js';

/** One open response, as who opens it describes it. */
export interface OpenRequest {
  readonly response: HttpResponse;
  readonly gate: HeaderGate;
  readonly method: string;
  /** The pattern that the request matched. */
  readonly pattern: string;
  /** As requested, without the query. */
  readonly path: string;
  readonly remoteAddress: string;
  readonly lastEventId: string | undefined;
  /** Whether nobody further out waits for what the handler's Observable does. */
  readonly isOutermost: boolean;
}

/** Ends the Observable that Nest has subscribed to: with it Nest ends the response. */
export interface NestObserver {
  complete(): void;
  error(error: unknown): void;
}
