import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from 'node:http2';
import type { ConnectSseOptions } from 'nestjs-event-stream/testing';
import { EventQueue, type ReceivedEvent } from '../../src/testing/event-queue.js';
import { StreamReader } from '../../src/testing/stream-reader.js';
import type { Client } from './each-adapter.js';

/**
 * What `SseTestClient` is on HTTP/1.1, over HTTP/2 without TLS. Like a browser, it keeps the session when
 * a stream has ended.
 */
class Http2Client implements Client {
  readonly closed: Promise<void>;
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  readonly #queue: EventQueue;
  readonly #reader: StreamReader;

  constructor(
    session: ClientHttp2Session,
    stream: ClientHttp2Stream,
    readonly headers: IncomingHttpHeaders,
    timeout: number,
  ) {
    this.#session = session;
    this.#stream = stream;
    this.#queue = new EventQueue(timeout);
    this.#reader = new StreamReader((event) => this.#queue.push(event));
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => this.#reader.read(text));
    stream.on('error', (error: Error) => this.#queue.end(`the stream broke (${error.message})`));
    this.closed = new Promise((resolve) => {
      stream.once('close', () => {
        this.#queue.end('the response has ended');
        resolve();
      });
    });
  }

  get status(): number {
    return Number((this.headers as Record<string, unknown>)[':status']);
  }

  get lastEventId(): string {
    return this.#reader.lastEventId;
  }

  get retry(): number | undefined {
    return this.#reader.retry;
  }

  get comments(): number {
    return this.#reader.comments;
  }

  get text(): string {
    return this.#reader.text;
  }

  next(type?: string): Promise<ReceivedEvent> {
    return this.#queue.next(type);
  }

  async take(count: number): Promise<ReceivedEvent[]> {
    const events: ReceivedEvent[] = [];
    while (events.length < count) events.push(await this.#queue.next());
    return events;
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  close(): void {
    this.#stream.destroy();
    this.#session.close();
  }
}

export async function connectHttp2(
  url: string,
  path: string,
  { headers, method, body, lastEventId, timeout = 5_000 }: ConnectSseOptions = {},
): Promise<Client> {
  const session = connect(url);
  session.on('error', () => {});
  const payload = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const stream = session.request({
    ':path': path,
    ':method': method ?? (payload === undefined ? 'GET' : 'POST'),
    accept: 'text/event-stream',
    ...(payload !== undefined && { 'content-type': 'application/json' }),
    ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
    ...headers,
  });
  stream.end(payload);
  const signal = AbortSignal.timeout(timeout);
  const [answer] = (await once(stream, 'response', { signal })) as [IncomingHttpHeaders];
  return new Http2Client(session, stream, answer, timeout);
}
