import { once } from 'node:events';
import { get, type RequestOptions } from 'node:http';
import { connect } from 'node:http2';
import { get as getSecurely } from 'node:https';
import type { Readable } from 'node:stream';
import { afterEach, expect, it } from '@jest/globals';
import { Controller, type INestApplication, type MessageEvent, Sse } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import type { Observable } from 'rxjs';
import { EventBus, SseConnections, SseModule } from 'nestjs-event-stream';
import { CERTIFICATE } from '../support/certificate.js';
import { until } from '../support/until.js';

const SIZE = 16 * 1024 * 1024;
const STEP = 1024 * 1024;
/** Milliseconds, of a client that takes a step's bytes and then waits so long. */
const PAUSE = 120;
const STALL_TIMEOUT = 700;

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }
}

interface Transport {
  adapter(): ExpressAdapter | FastifyAdapter;
  readonly isSecure: boolean;
  /** The body of the answer. */
  open(port: number): Promise<Readable>;
}

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function overHttp(request: typeof get, port: number): Promise<Readable> {
  const options: RequestOptions & { rejectUnauthorized: boolean } = {
    port,
    path: '/news',
    rejectUnauthorized: false,
  };
  const sent = request(options);
  ends.push(() => sent.destroy());
  const [response] = (await once(sent, 'response')) as [Readable];
  return response;
}

async function overHttp2(authority: string): Promise<Readable> {
  const session = connect(authority, { rejectUnauthorized: false });
  session.on('error', () => {});
  ends.push(() => session.destroy());
  const stream = session.request({ ':path': '/news' });
  await once(stream, 'response');
  return stream;
}

const TRANSPORTS: Record<string, Transport> = {
  http: {
    adapter: () => new ExpressAdapter(),
    isSecure: false,
    open: (port) => overHttp(get, port),
  },
  https: {
    adapter: () => new ExpressAdapter(),
    isSecure: true,
    open: (port) => overHttp(getSecurely, port),
  },
  h2c: {
    adapter: () => new FastifyAdapter({ http2: true }),
    isSecure: false,
    open: (port) => overHttp2(`http://127.0.0.1:${port}`),
  },
  h2: {
    adapter: () => new FastifyAdapter({ http2: true, https: CERTIFICATE }),
    isSecure: true,
    open: (port) => overHttp2(`https://127.0.0.1:${port}`),
  },
};

async function start(transport: Transport): Promise<INestApplication> {
  const module = await Test.createTestingModule({
    imports: [
      SseModule.forRoot({
        maxEventBytes: 32 * 1024 * 1024,
        stallTimeout: STALL_TIMEOUT,
        drain: { timeout: 100 },
      }),
    ],
    controllers: [Routes],
  }).compile();
  const options = transport.isSecure ? { httpsOptions: CERTIFICATE } : {};
  const app = module.createNestApplication(transport.adapter(), { logger: false, ...options });
  await app.listen(0, '127.0.0.1');
  ends.push(() => app.close());
  return app;
}

async function open(name: string) {
  const transport = TRANSPORTS[name];
  if (transport === undefined) throw new Error(`No transport ${name}`);
  const app = await start(transport);
  const { port } = (app.getHttpServer() as { address(): { port: number } }).address();
  const body = await transport.open(port);
  body.on('error', () => {});
  const connections = app.get(SseConnections);
  await until('a stream', () => connections.list()[0]?.topics.length === 1);
  return { body, connections, bus: app.get(EventBus) };
}

it.each(Object.keys(TRANSPORTS))(
  'a client that takes a large event slowly but steadily is not cut off: %s',
  async (name) => {
    const { body, connections, bus } = await open(name);
    await bus.publish('news', { data: 'x'.repeat(SIZE) });
    let taken = 0;
    let step = 0;
    await new Promise<void>((resolve, reject) => {
      body.on('data', (chunk: Buffer) => {
        taken += chunk.length;
        step += chunk.length;
        if (taken >= SIZE) resolve();
        if (step < STEP) return;
        step = 0;
        body.pause();
        setTimeout(() => body.resume(), PAUSE);
      });
      body.once('close', () => reject(new Error(`Cut off after ${taken} bytes`)));
    });
    expect(connections.ended.stalled).toBe(0);
  },
  30_000,
);

it.each(Object.keys(TRANSPORTS))(
  'a client that takes nothing is cut off: %s',
  async (name) => {
    const { body, connections, bus } = await open(name);
    body.pause();
    await bus.publish('news', { data: 'x'.repeat(SIZE) });
    await until('it is cut off', () => connections.ended.stalled === 1, 10_000);
    expect(connections.count).toBe(0);
  },
  20_000,
);
