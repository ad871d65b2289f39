import { expect, it } from '@jest/globals';
import { type EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import {
  Body,
  Controller,
  Headers,
  type MessageEvent,
  NotFoundException,
  RequestMethod,
  Sse,
} from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { concat, NEVER, type Observable, of } from 'rxjs';
import { EventBus, SseConnections, SseModule } from 'nestjs-event-stream';
import { connectSse, type ReceivedEvent, SseTestClient } from 'nestjs-event-stream/testing';
import { StreamReader } from '../../src/testing/stream-reader.js';
import { CERTIFICATE } from '../support/certificate.js';
import { onExpress, urlOf } from '../support/each-adapter.js';
import { until } from '../support/until.js';

interface Events {
  progress: { percent: number };
  message: string;
}

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Sse('echo', { method: RequestMethod.POST })
  echo(
    @Body() body: unknown,
    @Headers('x-who') who: string | undefined,
    @Headers('content-type') type: string | undefined,
  ): Observable<MessageEvent> {
    return of({ data: { body, who, type } });
  }

  @Sse('three')
  three(): Observable<MessageEvent> {
    return of({ data: '1' }, { type: 'a', data: '2' }, { type: 'b', data: '3' });
  }

  @Sse('quiet')
  quiet(): Observable<MessageEvent> {
    return concat(of({ type: 'hello', data: 'h'.repeat(200) }), NEVER);
  }

  @Sse('missing')
  missing(): Observable<MessageEvent> {
    throw new NotFoundException('no such thing');
  }
}

const bench = onExpress();
const start = () => bench.start({ controllers: [Routes], sse: { openTimeout: 10 } });

it('makes an application that does not listen yet listen', async () => {
  const module = await Test.createTestingModule({
    imports: [SseModule.forRoot()],
    controllers: [Routes],
  }).compile();
  const app = module.createNestApplication();
  const client = await connectSse(app, '/three');
  expect(client).toBeInstanceOf(SseTestClient);
  expect(client.status).toBe(200);
  await client.closed;
  await app.close();
});

it.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('starts it once for several that connect at once: %s', async (_, adapter) => {
  let inits = 0;
  const module = await Test.createTestingModule({
    imports: [SseModule.forRoot()],
    controllers: [Routes],
    providers: [{ provide: 'counter', useValue: { onModuleInit: () => inits++ } }],
  }).compile();
  const app = module.createNestApplication(adapter());
  const clients = await Promise.all([connectSse(app, '/three'), connectSse(app, '/three')]);
  expect(clients.map(({ status }) => status)).toEqual([200, 200]);
  expect(inits).toBe(1);
  await app.close();
});

it('connects to a URL as well', async () => {
  const app = await start();
  const client = await connectSse(urlOf(app), '/three');
  expect((await client.next()).data).toBe('1');
});

it('sends headers, method and body', async () => {
  const app = await start();
  const json = await connectSse(app, '/echo', { headers: { 'X-Who': 'me' }, body: { a: 1 } });
  expect((await json.next()).json()).toEqual({
    body: { a: 1 },
    who: 'me',
    type: 'application/json',
  });
  const text = await connectSse(app, '/echo', {
    method: 'POST',
    body: 'a=b',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  expect((await text.next()).json()).toMatchObject({ body: { a: 'b' } });
});

it('gives the status, headers and body of an answer that is no stream', async () => {
  const app = await start();
  const client = await connectSse(app, '/missing');
  await client.closed;
  expect(client.status).toBe(404);
  expect(client.headers['content-type']).toContain('application/json');
  expect(JSON.parse(client.text)).toMatchObject({ message: 'no such thing' });
});

it('gives typed events: the next, the next of a type, several, or all of them in a loop', async () => {
  const app = await start();
  const client = await connectSse<Events>(app, '/news');
  const bus = app.get<EventBus>(EventBus);
  await bus.publish('news', { data: 'text' });
  await bus.publish('news', { type: 'progress', data: { percent: 50 } });
  const progress: ReceivedEvent<'progress', Events['progress']> = await client.next('progress');
  expect(progress.json().percent).toBe(50);
  expect(client.lastEventId).toBe(bus.head);

  const all = await connectSse(app, '/three');
  expect((await all.take(2)).map(({ type }) => type)).toEqual(['message', 'a']);
  const rest: string[] = [];
  for await (const { type, data } of all) rest.push(`${type} ${data}`);
  expect(rest).toEqual(['b 3']);
});

it('serves several who wait, in their order', async () => {
  const app = await start();
  const client = await connectSse(app, '/news');
  const waiting = [client.next(), client.next()];
  for (const data of ['one', 'two']) await app.get(EventBus).publish('news', { data });
  expect((await Promise.all(waiting)).map(({ data }) => data)).toEqual(['one', 'two']);
});

it('says what it had received when an event does not come in time', async () => {
  const app = await start();
  const client = await connectSse(app, '/quiet', { timeout: 60 });
  await client.next('hello');
  await expect(client.next('goodbye')).rejects.toThrow(
    /^An event of type 'goodbye' did not come within 60 ms. Received 1 in all:\n {2}hello: h{100}…$/,
  );
  await expect(client.take(1)).rejects.toThrow(/^An event did not come within 60 ms/);
});

it('says so at once when the response has ended', async () => {
  const app = await start();
  const client = await connectSse(app, '/three', { timeout: 60_000 });
  await expect(client.next('z')).rejects.toThrow(
    /'z' did not come: the response has ended \(status 200 OK\)\. Received 3/,
  );
});

it('names the status it got where a stream was waited for, and what the answer says', async () => {
  const app = await start();
  const client = await connectSse(app, '/missing');
  await expect(client.next()).rejects.toThrow(
    /^An event did not come: the response has ended \(status 404 Not Found: \{"message":"no such thing".*\}\)\./,
  );
  const full = await bench.start({ controllers: [Routes], sse: { maxConnections: 0 } });
  const refused = await connectSse(full, '/news');
  await expect(refused.next('progress')).rejects.toThrow(
    "An event of type 'progress' did not come: the response has ended (status 200 OK). Received 0",
  );
});

it('reads what the client reads, byte by byte', () => {
  const text =
    '\ufeff: hi\nretry: 7\nid: 1\n\nid: 2\nevent: a\ndata: x\ndata: y\n\ndata: é\r\n\r\n';
  const events: unknown[] = [];
  const reader = new StreamReader(({ type, data, lastEventId }) =>
    events.push([type, data, lastEventId]),
  );
  for (const byte of Buffer.from(text)) reader.read(Uint8Array.of(byte));
  expect(events).toEqual([
    ['a', 'x\ny', '2'],
    ['message', 'é', '2'],
  ]);
  expect(reader).toMatchObject({ retry: 7, comments: 1, lastEventId: '2', text: text.slice(1) });
});

it.each([
  ['HTTP/1.1', { adapter: () => new ExpressAdapter() }],
  ['HTTP/2', { adapter: () => new FastifyAdapter({ http2: true }) }],
  ['HTTP/1.1 over TLS', { adapter: () => new ExpressAdapter(), httpsOptions: CERTIFICATE }],
  ['HTTP/2 over TLS', { adapter: () => new FastifyAdapter({ http2: true, https: CERTIFICATE }) }],
])(
  'connects by %s, to an application that does not listen yet and to a URL',
  async (how, setup) => {
    const module = await Test.createTestingModule({
      imports: [SseModule.forRoot()],
      controllers: [Routes],
    }).compile();
    const { adapter, httpsOptions } = { httpsOptions: undefined, ...setup };
    const app = module.createNestApplication(adapter(), { ...(httpsOptions && { httpsOptions }) });
    const served: string[] = [];
    const server = app.getHttpServer() as EventEmitter;
    server.on('request', ({ httpVersion }: { httpVersion: string }) => served.push(httpVersion));

    const news = await connectSse(app, '/news?a=1', { headers: { 'x-who': 'me' } });
    const id = await app.get(EventBus).publish('news', { type: 'a', data: 1 });
    expect(await news.next('a')).toMatchObject({ data: '1', lastEventId: id });
    const missing = await connectSse(app, '/missing');
    await expect(missing.next()).rejects.toThrow(
      /status 404 Not Found: \{"message":"no such thing"/,
    );

    const [scheme, http2] = [how.endsWith('TLS') ? 'https' : 'http', how === 'HTTP/2'];
    const { port } = (app.getHttpServer() as Server).address() as AddressInfo;
    const url = `${scheme}://localhost:${port}`;
    const tls = { host: '127.0.0.1', ca: CERTIFICATE.cert };
    const byUrl = await connectSse(url, '/echo', { body: { a: 1 }, http2, tls });
    expect((await byUrl.next()).json()).toMatchObject({ body: { a: 1 } });
    expect(new Set(served)).toEqual(new Set([how.startsWith('HTTP/2') ? '2.0' : '1.1']));
    for (const client of [news, missing, byUrl]) client.close();
    await app.close();
  },
);

it('says why TLS failed', async () => {
  const server = createSecureServer(CERTIFICATE).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await expect(
    connectSse(`https://localhost:${port}`, '/', { tls: { host: '127.0.0.1' } }),
  ).rejects.toThrow(/^GET \/: .*self.signed certificate/);
  server.close();
});

it('bounds the wait for an answer', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const answer = connectSse(`http://127.0.0.1:${port}`, '/news', { timeout: 50 });
  await expect(answer).rejects.toThrow('GET /news: no answer within 50 ms');
  silent.close();
  const refused = connectSse('http://127.0.0.1:1', '/news', { timeout: 1_000 });
  await expect(refused).rejects.toThrow(/^GET \/news: .*ECONNREFUSED/);
});

it('resumes by lastEventId, and leaves when it is closed', async () => {
  const app = await start();
  const bus = app.get<EventBus>(EventBus);
  const id = await bus.publish('news', { data: 1 });
  await bus.publish('news', { data: 2 });
  const client = await connectSse(app, '/news', { lastEventId: id });
  expect((await client.next()).data).toBe('2');
  client.close();
  await client.closed;
  await until('it is noticed', () => app.get(SseConnections).count === 0);
  await expect(client.next()).rejects.toThrow(/did not come/);
});
