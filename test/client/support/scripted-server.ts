import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request as the server sees it, and what a test makes of it. */
export class Exchange {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
  }

  get method(): string {
    return this.#request.method ?? '';
  }

  get url(): string {
    return this.#request.url ?? '';
  }

  get lastEventId(): string | undefined {
    return this.header('last-event-id');
  }

  header(name: string): string | undefined {
    return this.#request.headers[name]?.toString();
  }

  async body(): Promise<string> {
    let text = '';
    for await (const chunk of this.#request.setEncoding('utf8')) text += String(chunk);
    return text;
  }

  /** Begins a stream. */
  open(headers: Record<string, string> = {}): this {
    this.#response.writeHead(200, { 'content-type': 'text/event-stream', ...headers });
    this.#response.flushHeaders();
    return this;
  }

  write(text: string | Uint8Array): this {
    this.#response.write(text);
    return this;
  }

  /** Writes and waits until it has left, so that it arrives on its own. */
  async writePart(bytes: Uint8Array): Promise<void> {
    await new Promise((written) => this.#response.write(bytes, written));
    await new Promise((turn) => setImmediate(turn));
  }

  end(): void {
    this.#response.end();
  }

  /** Cuts the connection, whatever was being said. */
  cut(): void {
    this.#response.destroy();
  }

  /** Writes to the socket itself: what no HTTP server would say. */
  raw(text: string): this {
    this.#request.socket.write(text);
    return this;
  }

  answer(status: number, headers: Record<string, string> = {}, body = ''): void {
    this.#response.writeHead(status, headers).end(body);
  }

  /** Resolves when the connection is gone. */
  get gone(): Promise<unknown> {
    return this.#response.closed ? Promise.resolve() : once(this.#response, 'close');
  }
}

/** Does nothing by itself: a test takes each request and says what comes back. */
export class ScriptedServer {
  readonly #server: Server;
  readonly #waiting: ((exchange: Exchange) => void)[] = [];
  readonly #arrived: Exchange[] = [];
  /** All requests so far. */
  requests = 0;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.requests++;
      const exchange = new Exchange(request, response);
      const next = this.#waiting.shift();
      if (next) next(exchange);
      else this.#arrived.push(exchange);
    });
  }

  static async start(port = 0): Promise<ScriptedServer> {
    const scripted = new ScriptedServer();
    scripted.#server.listen(port, '127.0.0.1');
    await once(scripted.#server, 'listening');
    return scripted;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/events`;
  }

  /** The next request. */
  next(): Promise<Exchange> {
    const arrived = this.#arrived.shift();
    if (arrived) return Promise.resolve(arrived);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }
}
