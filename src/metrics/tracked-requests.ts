import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Of Node's HTTP/1.1 servers, before anybody else sees a request. */
const REQUEST_START = 'http.server.request.start';

/** A request for an event stream, from when Node has read its headers. */
export interface TrackedRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number;
  /** Whether the HTTP instrumentation has left it to us. */
  isOurs: boolean;
}

/** Of all applications of the process: the instrumentation asks before it is known whose a request is. */
const tracked = new WeakMap<IncomingMessage, TrackedRequest>();

/**
 * For `ignoreIncomingRequestHook` of `@opentelemetry/instrumentation-http`, which counts a stream's lifetime as the
 * duration of its request. What this ignores is traced and measured by `SseTracingModule`, up to when the stream opens;
 * where that module is not, nothing is ignored.
 *
 * @example new HttpInstrumentation({ ignoreIncomingRequestHook: ignoreEventStreams })
 */
export function ignoreEventStreams(request: IncomingMessage): boolean {
  const known = tracked.get(request);
  if (known === undefined) return false;
  known.isOurs = true;
  return true;
}

/** What `http.server.request.start` tells. */
interface StartMessage {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly server: unknown;
}

/** Follows the requests for event streams that come to one server. */
export class TrackedRequests {
  readonly #server: unknown;
  readonly #isEventStream: (request: IncomingMessage) => boolean;
  readonly #onClose: (request: TrackedRequest) => void;

  /** @param onClose told of each when its response has closed */
  constructor(
    server: unknown,
    isEventStream: (request: IncomingMessage) => boolean,
    onClose: (request: TrackedRequest) => void,
  ) {
    this.#server = server;
    this.#isEventStream = isEventStream;
    this.#onClose = onClose;
    subscribe(REQUEST_START, this.#onStart);
  }

  of(request: IncomingMessage): TrackedRequest | undefined {
    return tracked.get(request);
  }

  close(): void {
    unsubscribe(REQUEST_START, this.#onStart);
  }

  readonly #onStart = (message: unknown): void => {
    const { request, response, server } = message as StartMessage;
    if (server !== this.#server || !this.#isEventStream(request)) return;
    const startedAt = performance.timeOrigin + performance.now();
    const known: TrackedRequest = { request, response, startedAt, isOurs: false };
    tracked.set(request, known);
    response.once('close', () => this.#onClose(known));
  };
}
