import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { type IncomingMessage, OutgoingMessage, type ServerResponse } from 'node:http';
import { Controller, Get, type INestApplication, type MessageEvent, Sse } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import compression from 'compression';
import type { Observable } from 'rxjs';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { Bench } from '../support/each-adapter.js';
import { RawClient } from '../support/raw-client.js';
import { turns, until } from '../support/until.js';

let releaseSlow: () => void = () => {};

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Get('slow')
  slow(): Promise<string> {
    return new Promise((resolve) => (releaseSlow = () => resolve('slow')));
  }

  @Get('plain')
  plain(): string {
    return 'plain';
  }
}

const request = (path: string, more = '', version = '1.1') =>
  `GET ${path} HTTP/${version}\r\nHost: x\r\n${more}\r\n`;

type Use = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

describe.each([
  ['Express', new Bench(() => new ExpressAdapter())],
  ['Fastify', new Bench(() => new FastifyAdapter())],
])('on %s', (_, bench) => {
  let client: RawClient | undefined;

  afterEach(async () => {
    jest.restoreAllMocks();
    client?.close();
    await bench.stop();
  });

  async function start(use?: Use) {
    const app = await bench.start({
      controllers: [Routes],
      configure: (app: INestApplication) => use && app.use(use),
      sse: { heartbeatInterval: false, retry: false },
    });
    return { app, bus: app.get<EventBus>(EventBus) };
  }

  /** Publishes some turns' worth of events and gives the frames that have to arrive for them. */
  async function publishSome(bus: EventBus): Promise<string> {
    let frames = '';
    for (const burst of [1, 3, 1, 20]) {
      const cursors = await Promise.all(
        [...Array(burst).keys()].map((n) => bus.publish('news', { type: 't', data: `é ${n}` })),
      );
      cursors.forEach((id, n) => (frames += `id: ${id}\nevent: t\ndata: é ${n}\n\n`));
      await turns();
    }
    const id = await bus.publish('news', { data: 'x'.repeat(100_000) });
    const end = await bus.publish('news', { data: 'END' });
    return `${frames}id: ${id}\ndata: ${'x'.repeat(100_000)}\n\nid: ${end}\ndata: END\n\n`;
  }

  const first = (bus: EventBus) => `\nid: ${bus.head.split('.')[0]}.0\n\n`;

  async function expectAll(app: INestApplication, bus: EventBus, index = 0): Promise<string> {
    const opened = first(bus);
    await until('a connection', () => app.get(SseConnections).list()[0]?.topics.length === 1);
    const frames = await publishSome(bus);
    const response = await client?.has('data: END\n\n', index);
    expect(response?.body).toBe(opened + frames);
    return response?.head ?? '';
  }

  it('writes chunks straight to the socket when nobody can notice', async () => {
    const { app, bus } = await start();
    const written = jest.spyOn(OutgoingMessage.prototype, 'write');
    client = new RawClient(app, request('/news'));
    expect(await expectAll(app, bus)).toMatch(/transfer-encoding: chunked/i);
    // Nest's blank line after the headers.
    expect(written).toHaveBeenCalledTimes(1);
    app.get(SseConnections).close();
    await until('the end', () => client?.responses[0]?.isComplete === true);
  });

  it('goes through a response whose write somebody has wrapped', async () => {
    let seen = '';
    const { app, bus } = await start((_, response, next) => {
      const write = response.write.bind(response) as (...args: unknown[]) => boolean;
      response.write = (...args: unknown[]) => {
        seen += Buffer.from(args[0] as Uint8Array | string).toString('utf8');
        return write(...args);
      };
      next();
    });
    client = new RawClient(app, request('/news'));
    await expectAll(app, bus);
    expect(seen).toBe(client.responses[0]?.body);
  });

  it('goes through a compression middleware, which leaves it alone for no-transform', async () => {
    const { app, bus } = await start(compression({ threshold: 0, filter: () => true }));
    client = new RawClient(app, request('/news', 'Accept-Encoding: gzip, br\r\n'));
    expect(await expectAll(app, bus)).not.toMatch(/content-encoding/i);
  });

  it('arrives with Connection: close', async () => {
    const { app, bus } = await start();
    client = new RawClient(app, request('/news', 'Connection: close\r\n'));
    await expectAll(app, bus);
    app.get(SseConnections).close();
    await until('the end', () => client?.responses[0]?.isComplete === true);
  });

  it('arrives over HTTP/1.0, without chunks', async () => {
    const { app, bus } = await start();
    client = new RawClient(app, request('/news', '', '1.0'));
    expect(await expectAll(app, bus)).not.toMatch(/chunked/i);
    app.get(SseConnections).close();
    await until('the end', () => client?.responses[0]?.isComplete === true);
  });

  it('waits for the answer before it on a pipelined connection, and arrives whole after it', async () => {
    const { app, bus } = await start();
    client = new RawClient(app, request('/slow') + request('/news'));
    await until('a connection', () => app.get(SseConnections).list()[0]?.topics.length === 1);
    const opened = first(bus);
    const before = await publishSome(bus);
    expect(client.responses).toEqual([]);
    releaseSlow();
    expect((await client.has('data: END\n\n', 1)).body).toBe(opened + before);
    expect(client.responses[0]).toMatchObject({ body: 'slow', isComplete: true });
    const after = await publishSome(bus);
    await until('what follows', () => client?.responses[1]?.body === opened + before + after);
  });

  it('arrives whole before the answer after it on a pipelined connection', async () => {
    const { app, bus } = await start();
    client = new RawClient(app, request('/news') + request('/plain'));
    await expectAll(app, bus);
    expect(client.responses).toHaveLength(1);
    app.get(SseConnections).close();
    await client.has('plain', 1);
    expect(client.responses[0]?.isComplete).toBe(true);
  });

  it('leaves a keep-alive connection ready for the next answer', async () => {
    const { app, bus } = await start();
    client = new RawClient(app, request('/news'));
    await expectAll(app, bus);
    app.get(SseConnections).close();
    await until('the end', () => client?.responses[0]?.isComplete === true);
    client.send(request('/plain'));
    expect((await client.has('plain', 1)).isComplete).toBe(true);
  });
});
