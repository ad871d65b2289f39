// What docs/guide/beside.md says of packages that applications have beside this one.
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  type INestApplication,
  Injectable,
  Inject,
  type MessageEvent,
  Module,
  Post,
  Req,
  Sse,
} from '@nestjs/common';
import { LazyModuleLoader } from '@nestjs/core';
import {
  type ClientProxy,
  ClientProxyFactory,
  EventPattern,
  MessagePattern,
  type MicroserviceOptions,
  Payload,
  Transport,
} from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { WsAdapter } from '@nestjs/platform-ws';
import { SubscribeMessage, WebSocketGateway, type WsResponse } from '@nestjs/websockets';
import compression from 'compression';
import session, { MemoryStore } from 'express-session';
import type { FastifyInstance } from 'fastify';
import helmet from 'helmet';
import { pinoHttp } from 'pino-http';
import { concat, map, NEVER, type Observable, of, startWith } from 'rxjs';
import { EventBus, NativeSse, SseConnections } from 'nestjs-event-stream';
import { Bench, eachAdapter, onExpress, urlOf } from '../support/each-adapter.js';
import { until } from '../support/until.js';
import { WebSocket } from 'ws';

@Controller()
class News {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Get('plain')
  plain(): object {
    return { text: 'plain '.repeat(100) };
  }
}

/** Connects, and has an event arrive. */
async function receive(bench: Bench, app: INestApplication, headers: Record<string, string> = {}) {
  const client = await bench.connect(app, '/news', { headers });
  const id = await app.get(EventBus).publish('news', { data: 'one' });
  expect(await client.next()).toMatchObject({ data: 'one', lastEventId: id });
  return client;
}

describe('pino-http, which nestjs-pino is', () => {
  const bench = onExpress();

  it('logs a stream once, when it is over, with its lifetime as the response time', async () => {
    const written = new PassThrough({ encoding: 'utf8' });
    let text = '';
    written.on('data', (chunk: string) => (text += chunk));
    const lines = () =>
      text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as { msg: string; responseTime: number });
    const app = await bench.start({
      controllers: [News],
      configure: (created) => created.use(pinoHttp({}, written)),
    });
    const left = await receive(bench, app);
    const drained = await receive(bench, app);
    expect(lines()).toEqual([]);
    left.close();
    await until('the first line', () => lines().length === 1);
    app.get(SseConnections).close();
    await drained.closed;
    await until('the second line', () => lines().length === 2);
    expect(lines().map(({ msg }) => msg)).toEqual(['request aborted', 'request completed']);
  });

  it('leaves streams out with `autoLogging.ignore`, and has the request in what handlers log', async () => {
    @Controller()
    class Logging {
      @Sse('news')
      news(@Req() request: { log: { info(message: string): void } }): Observable<MessageEvent> {
        request.log.info('opened');
        return app.get(EventBus).stream('news');
      }
    }
    const written = new PassThrough({ encoding: 'utf8' });
    let text = '';
    written.on('data', (chunk: string) => (text += chunk));
    const ignore = ({ headers }: { headers: { accept?: string | undefined } }) =>
      headers.accept === 'text/event-stream';
    const app = await bench.start({
      controllers: [Logging],
      configure: (created) => created.use(pinoHttp({ autoLogging: { ignore } }, written)),
    });
    const client = await receive(bench, app);
    client.close();
    await until('the end', () => app.get(SseConnections).ended.client === 1);
    expect((await fetch(`${urlOf(app)}/missing`)).status).toBe(404);
    await until('the other line', () => text.includes('/missing'));
    const told = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { msg: string; req: { url: string } });
    expect(told.map(({ msg, req }) => [msg, req.url])).toEqual([
      ['opened', '/news'],
      ['request completed', '/missing'],
    ]);
  });
});

describe('middleware of Express', () => {
  const bench = onExpress();

  it('helmet has its headers beside those of the stream', async () => {
    const app = await bench.start({
      controllers: [News],
      configure: (created) => created.use(helmet()),
    });
    const { headers } = await receive(bench, app);
    expect(headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': expect.stringContaining('no-transform'),
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.stringContaining("default-src 'self'"),
    });
  });

  it('compression leaves streams alone, and compresses what is beside them', async () => {
    const app = await bench.start({
      controllers: [News],
      configure: (created) => created.use(compression({ threshold: 0, filter: () => true })),
    });
    const gzip = { 'accept-encoding': 'gzip' };
    const { headers } = await receive(bench, app, gzip);
    expect(headers['content-encoding']).toBeUndefined();
    const plain = await fetch(`${urlOf(app)}/plain`, { headers: gzip });
    expect(plain.headers.get('content-encoding')).toBe('gzip');
  });

  it('express-session saves a session when the stream is over, or when it is told to', async () => {
    type Session = session.Session & { visits?: number };

    @Controller()
    class Visits {
      constructor(private readonly bus: EventBus) {}

      @Sse('news')
      news(@Req() request: { session: Session }): Observable<MessageEvent> {
        request.session.visits = (request.session.visits ?? 0) + 1;
        return this.bus.stream('news');
      }

      @Sse('saved')
      async saved(@Req() request: { session: Session }): Promise<Observable<MessageEvent>> {
        request.session.visits = 10;
        await new Promise<void>((resolve) => request.session.save(() => resolve()));
        return this.bus.stream('news');
      }
    }
    const store = new MemoryStore();
    const visits = () =>
      new Promise<(number | undefined)[]>((resolve) => {
        store.all((_, all) =>
          resolve(Object.values(all ?? {}).map((one) => (one as Session).visits)),
        );
      });
    const app = await bench.start({
      controllers: [Visits],
      configure: (created) =>
        created.use(session({ secret: 's', resave: false, saveUninitialized: false, store })),
    });
    const left = await receive(bench, app);
    expect(left.headers['set-cookie']?.[0]).toMatch(/^connect\.sid=/);
    expect(await visits()).toEqual([]);
    // A client that leaves has nobody to end the response to.
    left.close();
    await until('the server knows', () => app.get(SseConnections).ended.client === 1);
    expect(await visits()).toEqual([]);
    const ended = await receive(bench, app);
    app.get(SseConnections).close();
    await ended.closed;
    expect(await visits()).toEqual([1]);
    const saved = await bench.connect(app, '/saved');
    expect((await visits()).sort()).toEqual([1, 10]);
    const [cookie = ''] = saved.headers['set-cookie'] ?? [];
    saved.close();
    await receive(bench, app, { cookie: cookie.split(';')[0] ?? '' });
    app.get(SseConnections).close();
    await until('it is saved', async () => (await visits()).includes(11));
  });
});

describe('cookies', () => {
  const bench = onExpress();

  it('that are made when headers are written, as by cookie-session, have what the handler has changed', async () => {
    interface Visitor {
      session: { visits: number };
    }

    @Controller()
    class Visits {
      constructor(private readonly bus: EventBus) {}

      @Sse('news')
      async news(@Req() { session }: Visitor): Promise<Observable<MessageEvent>> {
        await new Promise((resolve) => setImmediate(resolve));
        session.visits += 1;
        return this.bus.stream('news');
      }
    }
    const asCookieSession = (request: Visitor, response: ServerResponse, next: () => void) => {
      request.session = { visits: 6 };
      const writeHead = response.writeHead.bind(response) as (...head: unknown[]) => ServerResponse;
      response.writeHead = (...head: unknown[]) => {
        response.setHeader('set-cookie', `visits=${request.session.visits}`);
        return writeHead(...head);
      };
      next();
    };
    const app = await bench.start({
      controllers: [Visits],
      configure: (created) => created.use(asCookieSession),
    });
    const { headers } = await receive(bench, app);
    expect(headers['set-cookie']).toEqual(['visits=7']);
  });
});

describe('hooks of Fastify', () => {
  const bench = new Bench(() => new FastifyAdapter());
  afterEach(() => bench.stop());

  it("run before a stream, and none of onSend, with Nest's own neither; headers that are set are sent", async () => {
    @Controller()
    class Streams extends News {
      @Sse('native')
      @NativeSse()
      native(): Observable<MessageEvent> {
        return concat(of({ data: 'one' }), NEVER);
      }
    }
    const ran: string[] = [];
    const app = await bench.start({
      controllers: [Streams],
      configure: (created) => {
        const fastify = created.getHttpAdapter().getInstance() as FastifyInstance;
        fastify.addHook('onRequest', async (_, reply) => void reply.header('set-cookie', 'a=b'));
        fastify.addHook('onSend', async ({ url }) => void ran.push(url));
      },
    });
    for (const path of ['/news', '/native']) {
      const { headers } = await bench.connect(app, path);
      expect(headers['set-cookie']).toEqual(['a=b']);
    }
    await fetch(`${urlOf(app)}/plain`);
    expect(ran).toEqual(['/plain']);
  });
});

describe('one bus for', () => {
  const bench = onExpress();

  it('a WebSocket gateway and streams', async () => {
    @WebSocketGateway()
    class Gateway {
      constructor(private readonly bus: EventBus) {}

      @SubscribeMessage('listen')
      listen(): Observable<WsResponse<unknown>> {
        const news = this.bus.stream('news').pipe(map(({ data }) => ({ event: 'news', data })));
        return news.pipe(startWith({ event: 'listening', data: null }));
      }

      @SubscribeMessage('say')
      async say(): Promise<void> {
        await this.bus.publish('news', { data: 'said' });
      }
    }
    const app = await bench.start({
      controllers: [News],
      providers: [Gateway],
      configure: (created) => created.useWebSocketAdapter(new WsAdapter(created)),
    });
    const client = await bench.connect(app, '/news');
    const socket = new WebSocket(urlOf(app).replace('http', 'ws'));
    await once(socket, 'open');
    const said = async (event: string) => {
      const message = once(socket, 'message');
      socket.send(JSON.stringify({ event }));
      return JSON.parse(String((await message)[0])) as unknown;
    };
    expect(await said('listen')).toEqual({ event: 'listening', data: null });
    expect(await said('say')).toEqual({ event: 'news', data: 'said' });
    expect((await client.next()).data).toBe('said');
    const closed = once(socket, 'close');
    await app.close();
    await Promise.all([client.closed, closed]);
  });

  it('a microservice and streams, in a hybrid application', async () => {
    @Controller()
    class Orders {
      constructor(private readonly bus: EventBus) {}

      @EventPattern('order')
      async take(@Payload() data: string): Promise<void> {
        await this.bus.publish('news', { data });
      }

      @MessagePattern('listen')
      listen(): Observable<unknown> {
        const news = this.bus.stream('news').pipe(map(({ data }) => data));
        return news.pipe(startWith('listening'));
      }
    }
    const options: MicroserviceOptions = {
      transport: Transport.TCP,
      options: { host: '127.0.0.1', port: 0 },
    };
    const app = await bench.start({
      controllers: [News, Orders],
      configure: (created) => created.connectMicroservice(options, { inheritAppConfig: true }),
    });
    const [service] = app.getMicroservices();
    await app.startAllMicroservices();
    const { port } = service?.unwrap<{ address(): AddressInfo }>().address() ?? { port: 0 };
    const sender: ClientProxy = ClientProxyFactory.create({
      transport: Transport.TCP,
      options: { host: '127.0.0.1', port },
    });
    const client = await bench.connect(app, '/news');
    const heard: string[] = [];
    const hearing = sender.send<string>('listen', {}).subscribe((data) => heard.push(data));
    await until('it listens', () => heard.length === 1);
    sender.emit('order', 'first');
    expect((await client.next()).data).toBe('first');
    await until('it has heard', () => heard.length === 2);
    expect(heard).toEqual(['listening', 'first']);
    hearing.unsubscribe();
    sender.close();
    await app.close();
    await client.closed;
  });
});

eachAdapter((bench) => {
  it('a module that is loaded lazily has the bus', async () => {
    @Injectable()
    class Reports {
      constructor(@Inject(EventBus) readonly bus: EventBus) {}
    }
    @Module({ providers: [Reports] })
    class ReportsModule {}

    @Controller()
    class Loading extends News {
      constructor(
        bus: EventBus,
        private readonly loader: LazyModuleLoader,
      ) {
        super(bus);
      }

      @Post('reports')
      async report(): Promise<void> {
        const { bus } = (await this.loader.load(() => ReportsModule)).get(Reports);
        await bus.publish('news', { data: 'reported' });
      }

      @Sse('lazy')
      async lazy(): Promise<Observable<MessageEvent>> {
        const { bus } = (await this.loader.load(() => ReportsModule)).get(Reports);
        return bus.stream('news');
      }
    }
    const app = await bench.start(Loading);
    const early = await bench.connect(app, '/news');
    const own = await bench.connect(app, '/lazy');
    await bench.connect(app, '/reports', { method: 'POST' });
    expect((await early.next()).data).toBe('reported');
    expect(await own.next()).toMatchObject({
      data: 'reported',
      lastEventId: app.get(EventBus).head,
    });
  });
});
