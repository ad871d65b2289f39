import type { HttpResponse } from './http.js';

/** What we need of the stream that Nest pipes into the response of an `@Sse()` route. */
interface NestStream {
  commitHeaders(): void;
  writeMessage(message: unknown, done: (error?: Error) => void): void;
  end(): void;
}

const gates = new WeakMap<HttpResponse, HeaderGate>();

/**
 * Holds back the headers of one response. Nest commits them one macrotask after it has called the
 * interceptors, so that a handler which rejects later would have answered 200 already, and an EventSource
 * would come back to it for ever.
 */
export class HeaderGate {
  #stream: NestStream | undefined;
  #isOpen = false;
  #takesMessage: ((message: unknown) => void) | undefined;

  /** To be called before Nest pipes, by a guard. */
  static hold(response: HttpResponse): void {
    const gate = new HeaderGate();
    gates.set(response, gate);
    response.once('pipe', (stream: unknown) => {
      if (isNestStream(stream)) gate.#shadow(stream, response);
    });
  }

  /** The gate of a response; one that holds nothing if there is none. */
  static of(response: HttpResponse): HeaderGate {
    return gates.get(response) ?? new HeaderGate();
  }

  /**
   * Sends the headers, or leaves it to Nest to send them where there is no gate to hold them.
   *
   * @throws what Node throws for a header that it refuses; nothing has been sent then
   */
  commit(): void {
    this.release();
    this.#stream?.commitHeaders();
  }

  /** Lets Nest commit when it wants to. */
  release(): void {
    this.#isOpen = true;
  }

  /** Where messages go that Nest would write itself, those of interceptors further out. */
  divert(takesMessage: (message: unknown) => void): void {
    this.#takesMessage = takesMessage;
  }

  #shadow(stream: NestStream, response: HttpResponse): void {
    this.#stream = stream;
    let isPiped = true;
    response.once('unpipe', () => (isPiped = false));
    const commitHeaders = stream.commitHeaders.bind(stream);
    const writeMessage = stream.writeMessage.bind(stream);
    // An interceptor further out may have answered without asking us: then nobody would let go.
    stream.commitHeaders = () => {
      if (this.#isOpen || this.#takesMessage === undefined) commitHeaders();
    };
    // An interceptor further out completed first: an empty stream, unless Nest has unpiped to answer.
    const end = stream.end.bind(stream);
    stream.end = () => {
      if (isPiped && !this.#isOpen && !response.destroyed) this.commit();
      end();
    };
    // Nest numbers what it writes, which would destroy the client's cursor.
    stream.writeMessage = (message, done) => {
      if (this.#takesMessage === undefined || isComment(message)) {
        writeMessage(message, done);
        return;
      }
      this.#takesMessage(isLateError(message) ? { ...message, type: 'exception' } : message);
      process.nextTick(done);
    };
  }
}

function isNestStream(stream: unknown): stream is NestStream {
  return (
    typeof stream === 'object' &&
    stream !== null &&
    'commitHeaders' in stream &&
    typeof stream.commitHeaders === 'function' &&
    'writeMessage' in stream &&
    typeof stream.writeMessage === 'function'
  );
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
