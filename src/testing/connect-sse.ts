import type { IncomingHttpHeaders } from 'node:http';
import { type AddressInfo, type Server, isIPv6 } from 'node:net';
import { type ConnectionOptions, Server as TlsServer } from 'node:tls';
import type { INestApplication } from '@nestjs/common';
import type { Jsonify } from '../json.js';
import { type Answer, send } from './answer.js';
import { EventQueue, type ReceivedEvent } from './event-queue.js';
import { StreamReader } from './stream-reader.js';

export interface ConnectSseOptions {
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Default: `GET`, or `POST` with a body. */
  readonly method?: string | undefined;
  /** A string is sent as it is, anything else as JSON. */
  readonly body?: unknown;
  /** Sent as `Last-Event-ID`. */
  readonly lastEventId?: string | undefined;
  /** Bound of every wait, in milliseconds. Default 5_000. */
  readonly timeout?: number | undefined;
  /**
   * Whether to speak HTTP/2 to an `http:` URL. Where there is TLS the server says what it prefers, and an application
   * under test is asked.
   */
  readonly http2?: boolean | undefined;
  /**
   * For `https:`, what `tls.connect()` takes, such as `ca`. Whatever certificate an application under test has is
   * taken.
   */
  readonly tls?: ConnectionOptions | undefined;
}

/** The events of `Events` as a client gets them. */
type Received<Events extends object> = {
  [Type in keyof Events & string]: ReceivedEvent<Type, Jsonify<Events[Type]>>;
}[keyof Events & string];

/** A connected client: an async iterator of events, which ends when the response does. */
export class SseTestClient<
  Events extends object = Record<string, unknown>,
> implements AsyncIterable<Received<Events>> {
  readonly #answer: Answer;
  readonly #queue: EventQueue;
  readonly #reader: StreamReader;
  /** Resolves when the response has ended, by whoever's doing. */
  readonly closed: Promise<void>;

  /** @internal Made by {@link connectSse}. */
  constructor(answer: Answer, timeout: number) {
    this.#answer = answer;
    this.#queue = new EventQueue(timeout);
    this.#reader = new StreamReader((event) => this.#queue.push(event));
    const { body } = answer;
    body.on('data', (bytes: Uint8Array) => this.#reader.read(bytes));
    body.on('error', ({ message }) => this.#queue.end(`the connection broke (${message})`));
    this.closed = new Promise((resolve) => {
      body.once('close', () => {
        this.#queue.end(`the response has ended (${this.#describeAnswer()})`);
        resolve();
      });
    });
  }

  /** Of the answer; a `GET` that is refused for now is answered 200 all the same, others 503 or 429. */
  get status(): number {
    return this.#answer.status;
  }

  /** The status, and what an answer that is no stream says. */
  #describeAnswer(): string {
    const status = `status ${this.status} ${this.#answer.statusText}`.trimEnd();
    const isStream = this.headers['content-type']?.startsWith('text/event-stream') === true;
    const text = this.text.length > 200 ? `${this.text.slice(0, 200)}…` : this.text;
    return isStream || text === '' ? status : `${status}: ${text}`;
  }

  get headers(): IncomingHttpHeaders {
    return this.#answer.headers;
  }

  /** What an EventSource would send as `Last-Event-ID` now; also moved by frames that dispatch nothing. */
  get lastEventId(): string {
    return this.#reader.lastEventId;
  }

  /** The last `retry:` received, in milliseconds. */
  get retry(): number | undefined {
    return this.#reader.retry;
  }

  /** Comments received, such as heartbeats of streams without an id. */
  get comments(): number {
    return this.#reader.comments;
  }

  /** Everything received so far, as it came; for an answer that is not a stream, its body. */
  get text(): string {
    return this.#reader.text;
  }

  /**
   * The next event; with a type the next of that type, passing over others.
   *
   * @throws Error saying what was received, if it does not come in time; or with which status the response
   *   has ended
   */
  async next<Type extends keyof Events & string>(
    type?: Type,
  ): Promise<ReceivedEvent<Type, Jsonify<Events[Type]>>> {
    return (await this.#queue.next(type)) as ReceivedEvent<Type, Jsonify<Events[Type]>>;
  }

  /** The next `count` events. */
  async take(count: number): Promise<Received<Events>[]> {
    const events: Received<Events>[] = [];
    while (events.length < count) events.push((await this.#queue.next()) as Received<Events>);
    return events;
  }

  /** Stops taking bytes off the connection, as a client does that cannot keep up. */
  pause(): void {
    this.#answer.body.pause();
  }

  resume(): void {
    this.#answer.body.resume();
  }

  /** Drops the connection. */
  close(): void {
    this.#answer.destroy();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Received<Events>, void> {
    for (;;) {
      try {
        yield (await this.#queue.next()) as Received<Events>;
      } catch (error) {
        if (this.#queue.isEnded) return;
        throw error;
      }
    }
  }
}

/**
 * Connects to an SSE route of an application under test, over a real socket, HTTP/1.1 or HTTP/2, with TLS or without;
 * an application that does not listen yet is made to, on a free port of the loopback interface.
 *
 * @param app an application, or the URL of one
 * @throws Error with the method and path, if no answer comes in time or nobody listens
 * @example
 * const client = await connectSse(app, '/events');
 * await app.get(EventBus).publish('news', { type: 'headline', data: { text: 'Hello' } });
 * expect((await client.next('headline')).json()).toEqual({ text: 'Hello' });
 * client.close();
 */
export async function connectSse<Events extends object = Record<string, unknown>>(
  app: INestApplication | string,
  path: string,
  options: ConnectSseOptions = {},
): Promise<SseTestClient<Events>> {
  const { body, lastEventId, timeout = 5_000 } = options;
  const server = typeof app === 'string' ? app : await listening(app);
  const url = new URL(path, typeof server === 'string' ? server : urlOf(server));
  const payload = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const headers: Record<string, string> = {
    accept: 'text/event-stream',
    ...(typeof payload === 'string' &&
      typeof body !== 'string' && { 'content-type': 'application/json' }),
    ...(lastEventId !== undefined && {
      // In UTF-8, as an EventSource does: Node writes a byte for each character.
      'last-event-id': Buffer.from(lastEventId).toString('latin1'),
    }),
    ...options.headers,
  };
  const method = options.method ?? (payload === undefined ? 'GET' : 'POST');
  const isHttp2 = options.http2 ?? (typeof server !== 'string' && 'updateSettings' in server);
  const tls = { rejectUnauthorized: typeof server === 'string', ...options.tls };
  const signal = AbortSignal.timeout(timeout);
  const sent = { url, method, headers, payload, isHttp2, tls };
  const answer = await send(sent, signal).catch((cause: unknown) => {
    const why = signal.aborted ? `no answer within ${timeout} ms` : String(cause);
    throw new Error(`${method} ${url.pathname}: ${why}`, { cause });
  });
  return new SseTestClient<Events>(answer, timeout);
}

/** Of servers that are about to listen: an application is started once, however many connect to it meanwhile. */
const starts = new WeakMap<Server, Promise<unknown>>();

async function listening(app: INestApplication): Promise<Server> {
  const server = app.getHttpServer() as Server;
  let start = starts.get(server);
  if (start === undefined) {
    if (server.address() !== null) return server;
    start = app.listen(0, '127.0.0.1').finally(() => starts.delete(server));
    starts.set(server, start);
  }
  await start;
  return server;
}

function urlOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  const host = isIPv6(address) && address !== '::' ? '[::1]' : '127.0.0.1';
  return `${server instanceof TlsServer ? 'https' : 'http'}://${host}:${port}`;
}
