import { once } from 'node:events';
import {
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { INestApplication } from '@nestjs/common';
import type { Jsonify } from '../log/json.js';
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
}

/** The events of `Events` as a client gets them. */
type Received<Events extends object> = {
  [Type in keyof Events & string]: ReceivedEvent<Type, Jsonify<Events[Type]>>;
}[keyof Events & string];

/** A connected client: an async iterator of events, which ends when the response does. */
export class SseTestClient<
  Events extends object = Record<string, unknown>,
> implements AsyncIterable<Received<Events>> {
  readonly #request: ClientRequest;
  readonly #response: IncomingMessage;
  readonly #queue: EventQueue;
  readonly #reader: StreamReader;
  /** Resolves when the response has ended, by whoever's doing. */
  readonly closed: Promise<void>;

  /** @internal Made by {@link connectSse}. */
  constructor(request: ClientRequest, response: IncomingMessage, timeout: number) {
    this.#request = request;
    this.#response = response;
    this.#queue = new EventQueue(timeout);
    this.#reader = new StreamReader((event) => this.#queue.push(event));
    response.setEncoding('utf8');
    response.on('data', (text: string) => this.#reader.read(text));
    response.on('error', (error) => this.#queue.end(`the connection broke (${error.message})`));
    this.closed = new Promise((resolve) => {
      response.once('close', () => {
        this.#queue.end(`the response has ended (${this.#describeAnswer()})`);
        resolve();
      });
    });
  }

  /** Of the answer; an application that refuses a client answers 200 all the same, or what a guard says. */
  get status(): number {
    return this.#response.statusCode ?? 0;
  }

  /** The status, and what an answer that is no stream says. */
  #describeAnswer(): string {
    const status = `status ${this.status} ${this.#response.statusMessage ?? ''}`.trimEnd();
    const isStream = this.headers['content-type']?.startsWith('text/event-stream') === true;
    const text = this.text.length > 200 ? `${this.text.slice(0, 200)}…` : this.text;
    return isStream || text === '' ? status : `${status}: ${text}`;
  }

  get headers(): IncomingHttpHeaders {
    return this.#response.headers;
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
    this.#response.pause();
  }

  resume(): void {
    this.#response.resume();
  }

  /** Drops the connection. */
  close(): void {
    this.#request.destroy();
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
 * Connects to an SSE route of an application under test, over a real socket; an application that does not
 * listen yet is made to, on a free port of the loopback interface.
 *
 * @param app an application, or the URL of one
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
  const url = new URL(path, typeof app === 'string' ? app : await urlOf(app));
  const payload = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const headers: Record<string, string> = {
    accept: 'text/event-stream',
    ...(typeof payload === 'string' &&
      typeof body !== 'string' && { 'content-type': 'application/json' }),
    ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
    ...options.headers,
  };
  const method = options.method ?? (payload === undefined ? 'GET' : 'POST');
  const outgoing = request(url, { method, headers, agent: false });
  const signal = AbortSignal.timeout(timeout);
  // It breaks when it is closed or given up; whoever waits for an answer or an event is told.
  outgoing.on('error', () => {});
  outgoing.end(payload);
  const [response] = (await once(outgoing, 'response', { signal }).catch((cause: unknown) => {
    outgoing.destroy();
    const why = signal.aborted ? `no answer within ${timeout} ms` : String(cause);
    throw new Error(`${method} ${url.pathname}: ${why}`, { cause });
  })) as [IncomingMessage];
  return new SseTestClient<Events>(outgoing, response, timeout);
}

async function urlOf(app: INestApplication): Promise<string> {
  const server = app.getHttpServer() as { address(): AddressInfo | string | null };
  if (server.address() === null) await app.listen(0, '127.0.0.1');
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}
