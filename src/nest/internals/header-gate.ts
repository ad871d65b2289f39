import { type HttpResponse, isHttp2 } from '../../delivery/http.js';
import type { OuterMessageObserver, ResponseGate } from '../../delivery/open-request.js';
import {
  ABORT_CONTROLLER,
  isKey,
  isNestStream,
  type NestStream,
  takesStatusEarly,
} from './nest-stream.js';

const GATE = Symbol('HeaderGate');

/** The status and headers of an answer, where the adapter keeps them until they are sent. */
export interface AnswerHead {
  readonly statusCode: number;
  getHeaders?(): object;
}

interface GatedStream extends NestStream {
  readonly [GATE]: HeaderGate;
}

const gates = new WeakMap<HttpResponse, HeaderGate>();

/**
 * Holds back the headers of one response. Nest commits them one macrotask after it has called the
 * interceptors, so that a handler which rejects later would have answered 200 already, and an EventSource
 * would come back to it for ever.
 */
export class HeaderGate implements ResponseGate {
  /** Whether Nest's stream still goes into the response; Nest takes it out to answer in another way. */
  isPiped = true;
  readonly #response: HttpResponse;
  #stream: NestStream | undefined;
  #isOpen = false;
  #isFailing = false;
  #diversion: OuterMessageObserver | undefined;
  /** Read when the headers are sent; undefined if Nest does so itself. */
  #head: AnswerHead | undefined;

  private constructor(response: HttpResponse) {
    this.#response = response;
  }

  /** To be called before Nest pipes, by a guard. */
  static hold(response: HttpResponse, head: AnswerHead): void {
    const gate = new HeaderGate(response);
    gates.set(response, gate);
    response.once('pipe', (stream: unknown) => {
      if (!isNestStream(stream)) return;
      gate.#stream = stream;
      if (takesStatusEarly(stream)) gate.#head = head;
      Object.defineProperties(stream, SHADOWS);
      Object.defineProperty(stream, GATE, { value: gate });
    });
  }

  /** The gate of a response; one that holds nothing if there is none. */
  static of(response: HttpResponse): HeaderGate {
    return gates.get(response) ?? new HeaderGate(response);
  }

  /** Whether Nest may send the headers: only after us, unless nobody has asked us to deliver. */
  get isOpen(): boolean {
    // An interceptor further out may have answered without asking us: then nobody would let go.
    return this.#isOpen || this.#diversion === undefined;
  }

  /** Whether Nest's stream is about to end an answer that has not begun. */
  get isEmpty(): boolean {
    const { destroyed, headersSent } = this.#response;
    return this.isPiped && !this.#isOpen && !headersSent && !destroyed;
  }

  /** Whether Nest is about to end its stream because of an error that an exception filter will answer. */
  get isFailing(): boolean {
    return this.#isFailing;
  }

  /** Nest asks whether an exception filter can still answer; what it does then it does at once. */
  onError(): void {
    if (!this.isEmpty) return;
    this.#isFailing = true;
    queueMicrotask(() => (this.#isFailing = false));
  }

  /** Gives Nest's stream the status and headers of now, if Nest took them before interceptors and handlers ran. */
  refresh(stream: NestStream): void {
    if (this.#head === undefined) return;
    stream._statusCode = this.#head.statusCode;
    stream._additionalHeaders = this.#head.getHeaders?.();
    this.#head = undefined;
  }

  commit(): void {
    this.#isOpen = true;
    this.#stream?.commitHeaders();
  }

  takeOver(finish: () => void): void {
    const controller = abortControllerOf(this.#response);
    this.#stream?.unpipe(this.#response);
    this.#stream = this.#diversion = undefined;
    // For the handler, which may listen to its @SseSignal(), the request is not over.
    if (controller !== undefined) controller.abort = () => {};
    finish();
    Reflect.deleteProperty(controller ?? {}, 'abort');
  }

  announceClose(): void {
    const response = this.#response;
    if (isHttp2(response)) return;
    const writeHead = response.writeHead.bind(response) as (...head: unknown[]) => HttpResponse;
    // Nest's own is 'keep-alive', given to writeHead() together with the others.
    const writeLast = (status: number, ...rest: unknown[]) => {
      const headers = typeof rest.at(-1) === 'object' ? rest.pop() : undefined;
      return writeHead(status, ...rest, { ...(headers as object), Connection: 'close' });
    };
    Object.defineProperty(response, 'writeHead', { value: writeLast });
  }

  answerNoContent(): boolean {
    const response = this.#response;
    if (this.#stream === undefined || response.headersSent || response.destroyed) return false;
    this.#stream.unpipe(response);
    response.writeHead(204).end();
    return true;
  }

  abort(): void {
    abortControllerOf(this.#response)?.abort();
  }

  end(): void {
    if (!this.#response.destroyed) this.#response.end();
    this.abort();
  }

  divert(diversion: OuterMessageObserver): void {
    this.#diversion = diversion;
  }

  /** Takes a message from Nest, which would number it and so destroy the client's cursor. */
  takes(message: unknown): boolean {
    if (this.#diversion === undefined || isComment(message)) return false;
    this.#diversion.onOuterMessage(
      isLateError(message) ? { ...message, type: 'exception' } : message,
    );
    return true;
  }
}

/** Members of Nest's stream, in the place of its own; one set for all streams, as there are many of them. */
const SHADOWS = Object.getOwnPropertyDescriptors({
  get headersCommitted(): boolean {
    const stream = this as unknown as GatedStream;
    stream[GATE].onError();
    return Reflect.get(original(stream), 'headersCommitted', stream);
  },
  commitHeaders(this: GatedStream): void {
    if (!this[GATE].isOpen) return;
    this[GATE].refresh(this);
    original(this).commitHeaders.call(this);
  },
  writeMessage(this: GatedStream, message: unknown, done: (error?: Error) => void): void {
    if (this[GATE].takes(message)) process.nextTick(done);
    else original(this).writeMessage.call(this, message, done);
  },
  unpipe(this: GatedStream, ...from: unknown[]): unknown {
    this[GATE].isPiped = false;
    return original(this).unpipe.apply(this, from);
  },
  end(this: GatedStream): unknown {
    // Older Nest leaves its stream piped when an exception filter has yet to answer.
    if (this[GATE].isFailing) this.unpipe();
    // An interceptor further out completed first.
    else if (this[GATE].isEmpty) this[GATE].commit();
    return original(this).end.call(this);
  },
});

/** Of the request: aborted when the response has ended. */
function abortControllerOf({ req }: HttpResponse): AbortController | undefined {
  const carrier = req as unknown as Readonly<Record<string | symbol, unknown>>;
  const controller = isKey(ABORT_CONTROLLER) ? carrier[ABORT_CONTROLLER] : undefined;
  return controller instanceof AbortController ? controller : undefined;
}

function original(stream: GatedStream): NestStream {
  return Object.getPrototypeOf(stream) as NestStream;
}

function isComment(message: unknown): boolean {
  if (typeof message !== 'object' || message === null) return false;
  const { comment, data, type, retry } = message as Record<string, unknown>;
  return comment !== undefined && data === undefined && type === undefined && retry === undefined;
}

/** Nest's way to tell of an error after the headers; an EventSource has an `error` event of its own. */
function isLateError(message: unknown): message is { type: 'error'; data: string } {
  if (typeof message !== 'object' || message === null) return false;
  const { type, data, ...rest } = message as Record<string, unknown>;
  return type === 'error' && typeof data === 'string' && Object.keys(rest).length === 0;
}
