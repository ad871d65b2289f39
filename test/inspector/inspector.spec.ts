import { once } from 'node:events';
import { connect, type IncomingHttpHeaders } from 'node:http2';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
  Injectable,
  type NestInterceptor,
  SetMetadata,
  ValidationPipe,
  VersioningType,
} from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR, Reflector } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { EventBus } from 'nestjs-event-stream';
import { SseInspectorModule, type SseInspectorOptions } from 'nestjs-event-stream/inspector';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { SseRuns, SseRunsModule } from 'nestjs-event-stream/runs';
import { map, of } from 'rxjs';
import { RedisServer } from '../redis/support/redis-server.js';
import { Bench, onExpress, urlOf } from '../support/each-adapter.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { ask, type Ask, Routes, type State } from './routes.js';

function setup(options?: SseInspectorOptions) {
  return { controllers: [Routes], imports: [SseInspectorModule.forRoot(options)] };
}

class OpenGuard implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}

class ClosedGuard implements CanActivate {
  canActivate(): boolean {
    return false;
  }
}

const Public = () => SetMetadata('isPublic', true);

@Injectable()
class PublicOnly implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    return this.reflector.get('isPublic', context.getClass()) === true;
  }
}

class Wrapping implements NestInterceptor {
  intercept(_: ExecutionContext, next: CallHandler) {
    return next.handle().pipe(map((data: unknown) => ({ data })));
  }
}

async function statusOf(app: INestApplication, path: string, asked?: Ask): Promise<number> {
  return (await ask(app, path, asked)).status;
}

describe.each([
  ['Express', new Bench(() => new ExpressAdapter())],
  ['Fastify', new Bench(() => new FastifyAdapter())],
])('SseInspectorModule on %s', (_, bench) => {
  afterEach(() => bench.stop());

  it('tells connections, topics with how they are kept, the log and its ends', async () => {
    const history = { topics: [{ match: 'kept', keepEvents: 7 }] };
    const app = await bench.start({ ...setup(), sse: { history } });
    const client = await bench.connect(app, '/news/kept');
    await app.get(EventBus).publish('kept', { type: 'said', data: { a: 1 }, key: 'k' });
    await client.next('said');
    const state = (await ask(app, '/_events/state')).body as State;
    expect(state.connections.rows).toEqual([
      expect.objectContaining({
        route: 'GET /news/:topic',
        path: '/news/kept',
        topics: ['kept'],
        isBehind: false,
        behind: 0,
      }),
    ]);
    expect(state.connections.rows[0]?.bytes).toBeGreaterThan(10);
    expect(state.topics.rows).toEqual([
      expect.objectContaining({ name: 'kept', events: 1, isRead: true }),
    ]);
    expect(state.topics.rows[0]?.retention).toMatchObject({ keepEvents: 7 });
    expect(state.tail.events).toEqual([
      expect.objectContaining({ topics: ['kept'], type: 'said', key: 'k', text: '{"a":1}' }),
    ]);
    client.close();
    const read = async () => (await ask(app, '/_events/state')).body as State;
    await until('its end is told', async () => (await read()).ends.length === 1);
    expect((await read()).ends[0]).toMatchObject({ reason: 'client', route: 'GET /news/:topic' });
  });

  it('says what of the log is new, and that there was more than it shows', async () => {
    const app = await bench.start(setup());
    const bus = app.get(EventBus);
    const cursor = await bus.publish('news', { data: 0 });
    await bus.publish('news', { data: 1 });
    const read = async () => {
      const query = new URLSearchParams({ after: cursor });
      return ((await ask(app, `/_events/state?${query.toString()}`)).body as State).tail;
    };
    await until('it is there', async () => (await read()).events.length === 1);
    expect(await read()).toMatchObject({ isCut: false, events: [{ text: '1' }] });
    await Promise.all(Array.from({ length: 100 }, (_, data) => bus.publish('news', { data })));
    const { isCut, events } = await read();
    expect([isCut, events.length]).toEqual([true, 100]);
  });

  it('publishes, and says what is wrong with an event', async () => {
    const app = await bench.start(setup());
    const client = await bench.connect(app, '/news/a');
    const published = await ask(app, '/_events/publish', { body: { topic: 'a', data: 1 } });
    expect(published.status).toBe(200);
    expect((await client.next()).data).toBe('1');
    const refused = await ask(app, '/_events/publish', { body: { topic: '$runs', data: 1 } });
    expect(refused.status).toBe(400);
    expect(JSON.stringify(refused.body)).toContain('$');
    expect(await statusOf(app, '/_events/publish', { body: { topic: 'a' } })).toBe(400);
  });

  it('can be used by no page of another origin', async () => {
    const app = await bench.start(setup({ guard: OpenGuard }));
    const foreign: Ask[] = [
      { body: { topic: 'a', data: 1 }, headers: { 'sec-fetch-site': 'cross-site' } },
      { body: { topic: 'a', data: 1 }, headers: { 'sec-fetch-site': 'same-site' } },
      { body: { topic: 'a', data: 1 }, headers: { origin: 'https://evil.example' } },
      { body: { topic: 'a', data: 1 }, headers: { origin: 'null' } },
      { body: { topic: 'a', data: 1 }, isBare: true },
    ];
    for (const each of foreign) {
      expect([each, await statusOf(app, '/_events/publish', each)]).toEqual([each, 403]);
    }
    const form = 'application/x-www-form-urlencoded';
    const submitted = await fetch(`${urlOf(app)}/_events/close`, {
      method: 'POST',
      headers: { 'content-type': form },
      body: 'id=1',
    });
    expect([403, 415]).toContain(submitted.status);
    expect(await statusOf(app, '/_events/state', { isBare: true })).toBe(403);
    const same = { body: { topic: 'a', data: 1 }, headers: { origin: urlOf(app) } };
    expect(await statusOf(app, '/_events/publish', same)).toBe(200);
  });

  it('answers without a guard only this machine, asked by its name and without a proxy', async () => {
    const app = await bench.start(setup());
    const others: Record<string, string>[] = [
      { host: 'rebound.example' },
      { 'x-forwarded-for': '10.0.0.1' },
      { forwarded: 'for=10.0.0.1' },
    ];
    for (const headers of others) {
      expect([headers, await statusOf(app, '/_events', { headers })]).toEqual([headers, 403]);
      expect(await statusOf(app, '/_events/state', { headers })).toBe(403);
    }
    expect(await statusOf(app, '/_events')).toBe(200);
    const guarded = await bench.start(setup({ guard: new OpenGuard() }));
    expect(await statusOf(guarded, '/_events', { headers: { host: 'a.example' } })).toBe(200);
  });

  it('asks its guard for each of its routes that knows or does something', async () => {
    const app = await bench.start(setup({ guard: ClosedGuard }));
    expect(await statusOf(app, '/_events')).toBe(403);
    expect(await statusOf(app, '/_events/state')).toBe(403);
    expect(await statusOf(app, '/_events/publish', { body: {} })).toBe(403);
    expect(await statusOf(app, '/_events/close', { body: {} })).toBe(403);
  });

  it('works with a prefix, versions, pipes, guards and interceptors of the whole application', async () => {
    const app = await bench.start({
      controllers: [Routes],
      imports: [SseInspectorModule.forRoot({ path: 'ops/events', decorators: [Public()] })],
      providers: [
        { provide: APP_GUARD, useClass: PublicOnly },
        { provide: APP_INTERCEPTOR, useClass: Wrapping },
      ],
      configure: (each) => {
        each.setGlobalPrefix('api');
        each.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
        each.useGlobalPipes(
          new ValidationPipe({ whitelist: true, forbidNonWhitelisted: true, transform: true }),
        );
      },
    });
    const page = await ask(app, '/api/ops/events');
    expect(page.text).toContain('src="events/inspector.js"');
    expect(page.headers.get('content-security-policy')).toMatch(/script-src 'self'/);
    expect(await statusOf(app, '/api/ops/events/inspector.js')).toBe(200);
    expect(await statusOf(app, '/api/ops/events/inspector.css')).toBe(200);
    const state = (await ask(app, '/api/ops/events/state?find=x')).body as State;
    expect(state.connections).toEqual({ total: 0, rows: [] });
    const body = { topic: 'a', data: { any: 'thing' } };
    expect(await statusOf(app, '/api/ops/events/publish', { body })).toBe(200);
  });
});

describe('SseInspectorModule over HTTP/2', () => {
  const bench = new Bench(() => new FastifyAdapter({ http2: true }), true);

  afterEach(() => bench.stop());

  it('knows its host by the field that HTTP/2 has for it', async () => {
    const app = await bench.start(setup());
    const client = connect(urlOf(app));
    const statusAt = async (authority?: string) => {
      const own = authority === undefined ? {} : { ':authority': authority };
      const sent = client.request({ ':path': '/_events', ...own });
      const [headers] = (await once(sent, 'response')) as [IncomingHttpHeaders];
      return headers[':status'];
    };
    expect(await statusAt()).toBe(200);
    expect(await statusAt('rebound.example')).toBe(403);
    client.destroy();
  });
});

describe('SseInspectorModule', () => {
  const bench = onExpress();
  const { NODE_ENV } = process.env;

  afterEach(() => {
    process.env['NODE_ENV'] = NODE_ENV;
  });

  it('is off in production without a guard, and says so', async () => {
    process.env['NODE_ENV'] = 'production';
    const app = await bench.start(setup());
    expect(await statusOf(app, '/_events')).toBe(404);
    expect(
      bench.logs.find('warn', 'inspector is off: in production it needs a guard'),
    ).toHaveLength(1);
    const guarded = await bench.start(setup({ guard: OpenGuard }));
    expect(await statusOf(guarded, '/_events')).toBe(200);
  });

  it.each([
    [{ path: '/a/:b' }, /path has to be a path such as/],
    [{ path: '' }, /path has to be a path such as/],
    [{ guard: null }, /guard has to be a guard of Nest/],
    [{ gaurd: OpenGuard }, /gaurd/],
  ])('refuses %j', (options, message) => {
    expect(() => SseInspectorModule.forRoot(options as unknown as SseInspectorOptions)).toThrow(
      message,
    );
  });

  it('tells runs of what it is told has them, without knowing it', async () => {
    const run = { id: 'r.1', status: 'live', startedAt: new Date(), events: 3 };
    const token = Symbol('runs');
    const provider = { provide: token, useValue: { list: () => [run] } };
    const app = await bench.start({ ...setup({ runs: token }), providers: [provider] });
    const { runs } = (await ask(app, '/_events/state')).body as State;
    expect(runs).toEqual([expect.objectContaining({ id: 'r.1', events: 3 })]);
    const wrong = { ...setup({ runs: token }), providers: [{ provide: token, useValue: {} }] };
    await expect(bench.start(wrong)).rejects.toThrow(/runs has to be SseRuns/);
  });

  it('tells what SseRuns says of its runs, and nothing of runs without it', async () => {
    const { controllers, imports } = setup({ runs: SseRuns });
    const app = await bench.start({
      controllers,
      imports: [...imports, SseRunsModule.forRoot()],
    });
    const runs = app.get(SseRuns);
    const state = async (path: string) =>
      ((await ask(app, `/_events/state${path}`)).body as State).runs;
    await runs.start('chat.1', of('a', 'bc'));
    await runs.start('chat.2', () => new Promise<undefined>(() => {}));
    await until('one has ended', () => runs.get('chat.1')?.status === 'done');
    expect(await state('')).toMatchObject([
      { id: 'chat.1', status: 'done', events: 2, bytes: 3, readers: 0 },
      { id: 'chat.2', status: 'live', events: 0 },
    ]);
    expect(await state('?find=live')).toMatchObject([{ id: 'chat.2' }]);
    void runs.stop('chat.2');
    await bench.stop();
    const without = await bench.start(setup());
    expect((await ask(without, '/_events/state')).body).not.toHaveProperty('runs');
  });

  it('says what is missing where SseModule is', async () => {
    const imports = [SseInspectorModule.forRoot()];
    await expect(bench.start({ sse: false, imports })).rejects.toThrow(
      /SseInspectorModule has nothing to look at: import SseModule/,
    );
  });

  describeWith(REDIS_SERVER, 'with Redis', (server) => {
    let redis: RedisServer;

    beforeAll(async () => {
      redis = await RedisServer.start(server);
    });

    afterAll(() => redis.stop());

    it('closes a connection of another instance, and knows the instances', async () => {
      const start = () =>
        bench.start({ ...setup(), sse: { backplane: redisBackplane({ url: redis.url }) } });
      const one = await start();
      const other = await start();
      const client = await bench.connect(other, '/news/a');
      const spared = await bench.connect(other, '/news/a');
      const read = async (app: INestApplication) =>
        (await ask(app, '/_events/state')).body as State;
      await until('they know each other', async () => (await read(one)).instances.length === 2);
      const [row] = (await read(other)).connections.rows;
      expect(await statusOf(one, '/_events/close', { body: { id: row?.id } })).toBe(200);
      await Promise.race([client.closed, spared.closed]);
      await until('it is told', async () => (await read(other)).ends.length === 1);
      expect((await read(other)).ends[0]).toMatchObject({ id: row?.id, reason: 'closed' });
      expect((await read(other)).connections.total).toBe(1);
    });
  });
});
