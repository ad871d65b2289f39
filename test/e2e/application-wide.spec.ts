// Interceptors and pipes that an application has for all of its routes, and how SSE routes are left out of them.
import { describe, expect, it } from '@jest/globals';
import {
  type CallHandler,
  Controller,
  type ExecutionContext,
  Get,
  Injectable,
  type MessageEvent,
  type NestInterceptor,
  Query,
  Sse,
  ValidationPipe,
} from '@nestjs/common';
import { CACHE_MANAGER, CacheInterceptor, CacheModule } from '@nestjs/cache-manager';
import { HttpAdapterHost, Reflector } from '@nestjs/core';
import type { Cache } from 'cache-manager';
import { IsOptional, IsString } from 'class-validator';
import { concat, map, NEVER, type Observable, of, timeout } from 'rxjs';
import { EventBus, isSseRoute } from 'nestjs-event-stream';
import { type Client, eachAdapter } from '../support/each-adapter.js';
import { elapse, until } from '../support/until.js';

class FeedQuery {
  @IsOptional()
  @IsString()
  room?: string;
}

class ResumableFeedQuery extends FeedQuery {
  @IsOptional()
  @IsString()
  lastEventId?: string;
}

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream(['news', 'secret-topic']);
  }

  @Sse('ordinary')
  ordinary(): Observable<MessageEvent> {
    return concat(of({ data: 'one' }, { data: 'two' }), NEVER);
  }

  @Sse('strict')
  strict(@Query() _query: FeedQuery): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Sse('resumable')
  resumable(@Query() _query: ResumableFeedQuery): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Sse('picked')
  picked(@Query('room') _room?: string): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Get('plain')
  plain(): object {
    return { n: 1 };
  }
}

class Envelope implements NestInterceptor {
  intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((data: unknown) => ({ data })));
  }
}

class ConsiderateEnvelope extends Envelope {
  override intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return isSseRoute(context) ? next.handle() : super.intercept(context, next);
  }
}

class Hurry implements NestInterceptor {
  intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(timeout(30));
  }
}

class ConsiderateHurry extends Hurry {
  override intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return isSseRoute(context) ? next.handle() : super.intercept(context, next);
  }
}

@Injectable()
class ConsiderateCache extends CacheInterceptor {
  protected override isRequestCacheable(context: ExecutionContext): boolean {
    return !isSseRoute(context) && super.isRequestCacheable(context);
  }
}

eachAdapter((bench) => {
  async function start(...interceptors: NestInterceptor[]) {
    const app = await bench.start({
      controllers: [Routes],
      sse: { openTimeout: 10 },
      configure: (created) => created.useGlobalInterceptors(...interceptors),
    });
    return { app, bus: app.get<EventBus>(EventBus) };
  }

  async function opened(client: Client): Promise<Client> {
    await until('the first frame', () => client.lastEventId !== '');
    return client;
  }

  describe('a response wrapper', () => {
    it('that wraps events too does not send topics to clients', async () => {
      const { app, bus } = await start(new Envelope());
      const client = await opened(await bench.connect(app, '/news'));
      await bus.publish(['news', 'secret-topic'], { type: 'x', data: { n: 1 } });
      const event = await client.next();
      expect(event.json()).toEqual({ id: event.lastEventId, type: 'x', data: { n: 1 } });
      expect(client.text).not.toContain('topic');
    });

    it('that wraps events too is told, once, how to leave them out', async () => {
      const { app, bus } = await start(new Envelope());
      const clients = [await bench.connect(app, '/news'), await bench.connect(app, '/news')];
      for (const client of clients) await opened(client);
      for (const n of [1, 2]) await bus.publish('news', { type: 'x', data: { n } });
      for (const client of clients) await client.take(2);
      expect(bench.logs.find('warn', 'isSseRoute(context)')).toHaveLength(1);
    });

    it('leaves SSE routes out by isSseRoute()', async () => {
      const { app, bus } = await start(new ConsiderateEnvelope());
      const client = await opened(await bench.connect(app, '/news'));
      await bus.publish('news', { type: 'x', data: { n: 1 } });
      const event = await client.next();
      expect([event.type, event.json()]).toEqual(['x', { n: 1 }]);
      const plain = await bench.connect(app, '/plain');
      await plain.closed;
      expect(JSON.parse(plain.text)).toEqual({ data: { n: 1 } });
    });
  });

  describe('timeout()', () => {
    it('ends a quiet stream', async () => {
      const { app } = await start(new Hurry());
      const client = await bench.connect(app, '/news');
      expect((await client.next()).type).toBe('exception');
    });

    it('leaves SSE routes out by isSseRoute()', async () => {
      const { app, bus } = await start(new ConsiderateHurry());
      const client = await opened(await bench.connect(app, '/news'));
      await elapse(60);
      await bus.publish('news', { data: 'in time' });
      expect((await client.next()).data).toBe('in time');
    });
  });

  describe('CacheInterceptor', () => {
    async function startCached(Interceptor: typeof CacheInterceptor) {
      const app = await bench.start({
        imports: [CacheModule.register()],
        controllers: [Routes],
        providers: [Interceptor],
        sse: { openTimeout: 10 },
        configure: (created) => {
          const interceptor = new Interceptor(
            created.get<Cache>(CACHE_MANAGER),
            created.get(Reflector),
          );
          Object.assign(interceptor, { httpAdapterHost: created.get(HttpAdapterHost) });
          created.useGlobalInterceptors(interceptor);
        },
      });
      return { app, cache: app.get<Cache>(CACHE_MANAGER) };
    }

    it('answers the next client with the last message alone', async () => {
      const { app, cache } = await startCached(CacheInterceptor);
      const first = await bench.connect(app, '/ordinary');
      expect((await first.take(2)).map(({ data }) => data)).toEqual(['one', 'two']);
      await until('it is kept', async () => (await cache.get('/ordinary')) !== undefined);
      const second = await bench.connect(app, '/ordinary');
      await second.closed;
      expect(second.text).not.toContain('one');
    });

    it('leaves SSE routes out by isRequestCacheable()', async () => {
      const { app, cache } = await startCached(ConsiderateCache);
      for (let count = 0; count < 2; count++) {
        const client = await bench.connect(app, '/ordinary');
        expect((await client.take(2)).map(({ data }) => data)).toEqual(['one', 'two']);
      }
      await (
        await bench.connect(app, '/plain')
      ).closed;
      await until('the plain route is kept', async () => (await cache.get('/plain')) !== undefined);
      expect(await cache.get('/ordinary')).toBeUndefined();
    });
  });

  describe('ValidationPipe with forbidNonWhitelisted', () => {
    async function startStrict() {
      const app = await bench.start({
        controllers: [Routes],
        configure: (created) =>
          created.useGlobalPipes(
            new ValidationPipe({ whitelist: true, forbidNonWhitelisted: true }),
          ),
      });
      return { app, query: `?room=7&lastEventId=${app.get<EventBus>(EventBus).head}` };
    }

    it('turns a client away that goes on from ?lastEventId=, for good', async () => {
      const { app, query } = await startStrict();
      expect((await bench.connect(app, `/strict${query}`)).status).toBe(400);
    });

    it.each(['resumable', 'picked'])('lets it in where the query says so (%s)', async (route) => {
      const { app, query } = await startStrict();
      const client = await opened(await bench.connect(app, `/${route}${query}`));
      expect(client.status).toBe(200);
    });
  });
});
