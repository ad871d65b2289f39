// What docs/guide/other-packages.md says of packages that Nest applications have, each over a real socket.
import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import {
  ClassSerializerInterceptor,
  Controller,
  type ExecutionContext,
  Get,
  Injectable,
  type MessageEvent,
  Req,
  Sse,
} from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { SkipThrottle, ThrottlerGuard, ThrottlerModule } from '@nestjs/throttler';
import { SubscribeMessage, WebSocketGateway, type WsResponse } from '@nestjs/websockets';
import { WsAdapter } from '@nestjs/platform-ws';
import compress from '@fastify/compress';
import compression from 'compression';
import session, { MemoryStore } from 'express-session';
import helmet from 'helmet';
import { ClsModule, ClsService } from 'nestjs-cls';
import { LoggerModule, PinoLogger } from 'nestjs-pino';
import { map, type Observable } from 'rxjs';
import { WebSocket } from 'ws';
import { EventBus, isSseRoute, SseConnections } from 'nestjs-event-stream';
import { type Bench, eachAdapter, onExpress, urlOf } from '../support/each-adapter.js';
import { until } from '../support/until.js';

@Controller()
class News {
  constructor(readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Get('plain')
  plain(): object {
    return { n: 1 };
  }
}

/** Connects, and has an event arrive with its id. */
async function receive(bench: Bench, app: Awaited<ReturnType<Bench['start']>>, headers = {}) {
  const client = await bench.connect(app, '/news', { headers });
  const id = await app.get(EventBus).publish('news', { data: 'one' });
  expect(await client.next()).toMatchObject({ data: 'one', lastEventId: id });
  return client;
}

eachAdapter((bench) => {
  it('nestjs-cls: handlers and operators have the store of their own request', async () => {
    @Controller()
    class Named {
      constructor(
        readonly bus: EventBus,
        readonly cls: ClsService,
      ) {}

      @Sse('named')
      named(): Observable<MessageEvent> {
        const atFirst = this.cls.get<string>('user');
        return this.bus
          .stream('news')
          .pipe(map((event) => ({ ...event, data: `${atFirst} ${this.cls.get<string>('user')}` })));
      }
    }
    const setup = (cls: ClsService, request: { headers: Record<string, string> }) =>
      cls.set('user', request.headers['user']);
    const app = await bench.start({
      imports: [
        ClsModule.forRoot({
          global: true,
          interceptor: {
            mount: true,
            setup: (cls, context) => setup(cls, context.switchToHttp().getRequest()),
          },
        }),
      ],
      controllers: [Named],
    });
    const [ada, bob] = await Promise.all(
      ['ada', 'bob'].map((user) => bench.connect(app, '/named', { headers: { user } })),
    );
    await app.get(EventBus).publish('news', { data: 'one' });
    expect((await ada?.next())?.data).toBe('ada ada');
    expect((await bob?.next())?.data).toBe('bob bob');
  });

  it('@nestjs/throttler: 429 ends an EventSource for good; routes are left out by isSseRoute()', async () => {
    @Injectable()
    class ConsiderateThrottler extends ThrottlerGuard {
      protected override async shouldSkip(context: ExecutionContext): Promise<boolean> {
        return isSseRoute(context) || super.shouldSkip(context);
      }
    }
    const start = (guard: typeof ThrottlerGuard) =>
      bench.start({
        imports: [ThrottlerModule.forRoot([{ ttl: 60_000, limit: 1 }])],
        providers: [{ provide: APP_GUARD, useClass: guard }],
        controllers: [News],
      });
    const strict = await start(ThrottlerGuard);
    await receive(bench, strict);
    expect((await bench.connect(strict, '/news')).status).toBe(429);
    const considerate = await start(ConsiderateThrottler);
    await receive(bench, considerate);
    await receive(bench, considerate);
    expect((await bench.connect(considerate, '/plain')).status).toBe(200);
    expect((await bench.connect(considerate, '/plain')).status).toBe(429);
  });

  it('ClassSerializerInterceptor for the whole application leaves events as they are', async () => {
    const app = await bench.start({
      providers: [{ provide: APP_INTERCEPTOR, useClass: ClassSerializerInterceptor }],
      controllers: [News],
    });
    const client = await bench.connect(app, '/news');
    await app.get(EventBus).publish('news', { type: 'x', data: { a: [1] } });
    expect((await client.next('x')).json()).toEqual({ a: [1] });
  });
});

describe('nestjs-pino', () => {
  const bench = onExpress();

  it('logs a stream once, when it has ended, and has the request in lines of the handler', async () => {
    @Controller()
    class Logging {
      constructor(
        readonly bus: EventBus,
        readonly logger: PinoLogger,
      ) {}

      @Sse('news')
      news(): Observable<MessageEvent> {
        this.logger.info('opened');
        return this.bus.stream('news');
      }
    }
    const written = new PassThrough({ encoding: 'utf8' });
    let text = '';
    written.on('data', (chunk: string) => (text += chunk));
    const lines = () =>
      text
        .trim()
        .split('\n')
        .filter((line) => line.includes('"req"'))
        .map((line) => JSON.parse(line) as { msg: string; req: { url: string } });
    const app = await bench.start({
      imports: [LoggerModule.forRoot({ pinoHttp: { stream: written } })],
      controllers: [Logging],
    });
    const client = await receive(bench, app);
    expect(lines().map(({ msg, req }) => [msg, req.url])).toEqual([['opened', '/news']]);
    client.close();
    await until('the line of the request', () => lines().length === 2);
    expect(lines()[1]?.msg).toBe('request aborted');
  });
});

describe('On Express', () => {
  const bench = onExpress();

  it('helmet: its headers are sent with those of the stream', async () => {
    const app = await bench.start({
      controllers: [News],
      configure: (created) => created.use(helmet()),
    });
    const { headers } = await receive(bench, app);
    expect(headers).toMatchObject({
      'content-type': 'text/event-stream',
      'x-content-type-options': 'nosniff',
    });
  });

  it('compression: leaves streams alone', async () => {
    const app = await bench.start({
      controllers: [News],
      configure: (created) => created.use(compression({ threshold: 0 })),
    });
    const { headers } = await receive(bench, app, { 'accept-encoding': 'gzip' });
    expect(headers['content-encoding']).toBeUndefined();
    const plain = await fetch(`${urlOf(app)}/plain`, { headers: { 'accept-encoding': 'gzip' } });
    expect(plain.headers.get('content-encoding')).toBe('gzip');
  });

  it('express-session: the cookie comes with the headers; what is changed later is saved by save()', async () => {
    type Session = session.Session & { visits?: number };
    let current: Session | undefined;

    @Controller()
    class Visits {
      constructor(readonly bus: EventBus) {}

      @Sse('news')
      news(@Req() { session }: { session: Session }): Observable<MessageEvent> {
        current = session;
        session.visits = (session.visits ?? 0) + 1;
        return this.bus.stream('news');
      }
    }
    const store = new MemoryStore();
    const app = await bench.start({
      controllers: [Visits],
      configure: (created) =>
        created.use(session({ secret: 's', resave: false, saveUninitialized: false, store })),
    });
    const client = await receive(bench, app);
    const [cookie = ''] = client.headers['set-cookie'] ?? [];
    expect(cookie).toMatch(/^connect\.sid=/);
    const visits = () =>
      new Promise((resolve) => {
        store.all((_, all) =>
          resolve(Object.values(all ?? {}).map((one) => (one as Session).visits)),
        );
      });
    // The session is saved when the response ends.
    expect(await visits()).toEqual([]);
    current?.save();
    expect(await visits()).toEqual([1]);
    app.get(SseConnections).close();
    await client.closed;
    await receive(bench, app, { cookie: cookie.split(';')[0] });
    expect(current?.visits).toBe(2);
  });

  it('gateways: a WebSocket beside it may have the same bus', async () => {
    @WebSocketGateway()
    class Gateway {
      constructor(readonly bus: EventBus) {}

      @SubscribeMessage('news')
      news(): Observable<WsResponse<unknown>> {
        return this.bus.stream('news').pipe(map(({ data }) => ({ event: 'news', data })));
      }
    }
    const app = await bench.start({
      controllers: [News],
      providers: [Gateway],
      configure: (created) => created.useWebSocketAdapter(new WsAdapter(created)),
    });
    const socket = new WebSocket(urlOf(app).replace('http', 'ws'));
    await once(socket, 'open');
    socket.send(JSON.stringify({ event: 'news' }));
    const message = once(socket, 'message');
    const bus = app.get(EventBus);
    const timer = setInterval(() => void bus.publish('news', { data: 'two' }), 5);
    expect(JSON.parse(String((await message)[0]))).toEqual({ event: 'news', data: 'two' });
    clearInterval(timer);
    const client = await bench.connect(app, '/news', {
      lastEventId: bus.head.replace(/\d+$/, '0'),
    });
    expect((await client.next()).data).toBe('two');
    socket.close();
  });
});
