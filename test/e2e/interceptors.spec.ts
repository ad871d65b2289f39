import { describe, expect, it } from '@jest/globals';
import {
  type ArgumentsHost,
  BadRequestException,
  type CallHandler,
  type CanActivate,
  Catch,
  Controller,
  type ExceptionFilter,
  type ExecutionContext,
  Injectable,
  type MessageEvent,
  type NestInterceptor,
  Param,
  ParseIntPipe,
  Query,
  Sse,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { APP_INTERCEPTOR, ApplicationConfig } from '@nestjs/core';
import {
  concat,
  EMPTY,
  endWith,
  map,
  merge,
  mergeMap,
  NEVER,
  type Observable,
  of,
  retry,
  startWith,
  Subject,
  takeUntil,
  tap,
  throwError,
  timeout,
  timer,
} from 'rxjs';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { type Bench, eachAdapter } from '../support/each-adapter.js';
import { onEveryRoute } from '../support/on-every-route.js';
import { until } from '../support/until.js';

class KeyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return context.switchToHttp().getRequest<{ url: string }>().url.includes('key=right');
  }
}

class Teapot extends Error {}

@Catch(Teapot)
class TeapotFilter implements ExceptionFilter {
  catch(_: Teapot, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<{
      status(code: number): { send(body: string): void };
    }>();
    response.status(418).send('short and stout');
  }
}

@Injectable()
class AsyncPipe {
  async transform(value: string | undefined): Promise<string> {
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (value === undefined) throw new BadRequestException('a is missing');
    return value;
  }
}

function textOf({ data }: MessageEvent): string {
  return typeof data === 'string' ? data : JSON.stringify(data);
}

class Uppercase implements NestInterceptor {
  intercept(_: ExecutionContext, next: CallHandler<MessageEvent>): Observable<MessageEvent> {
    return next.handle().pipe(map((event) => ({ ...event, data: textOf(event).toUpperCase() })));
  }
}

class Exclaim implements NestInterceptor {
  intercept(_: ExecutionContext, next: CallHandler<MessageEvent>): Observable<MessageEvent> {
    return next.handle().pipe(map((event) => ({ ...event, data: `${textOf(event)}!` })));
  }
}

@Controller()
@UseInterceptors(Exclaim)
@UseFilters(TeapotFilter)
class Routes {
  attempts = 0;

  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Sse('loud')
  @UseInterceptors(Uppercase)
  loud(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Sse('guarded')
  @UseGuards(KeyGuard)
  guarded(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Sse('number/:id')
  number(@Param('id', ParseIntPipe) id: number): Observable<MessageEvent> {
    return of({ data: String(id + 1) });
  }

  @Sse('checked')
  checked(@Query('a', AsyncPipe) a: string): Observable<MessageEvent> {
    return of({ data: a });
  }

  @Sse('teapot')
  async teapot(): Promise<Observable<MessageEvent>> {
    await Promise.resolve();
    throw new Teapot();
  }

  @Sse('flaky')
  flaky(): Observable<MessageEvent> {
    if (++this.attempts < 3) return throwError(() => new Error('not yet'));
    return of({ data: `attempt ${this.attempts}` });
  }

  @Sse('quiet')
  quiet(): Observable<MessageEvent> {
    return NEVER;
  }

  @Sse('empty')
  empty(): Observable<MessageEvent> {
    return EMPTY;
  }
}

function twice(event: unknown): MessageEvent {
  const message = event as MessageEvent;
  return { ...message, data: textOf(message).repeat(2) };
}

type Change = (source: Observable<unknown>) => Observable<unknown>;

function interceptor(change: Change): NestInterceptor {
  return { intercept: (_, next) => change(next.handle()) };
}

eachAdapter((bench: Bench) => {
  /** @param change what a global interceptor further out does, where Nest does not let ours be the first */
  async function start(change?: Change) {
    const app = await bench.start({
      controllers: [Routes],
      ...(change && {
        override: onEveryRoute,
        configure: (app) =>
          app.get(ApplicationConfig).getGlobalInterceptors().unshift(interceptor(change)),
      }),
    });
    return { app, bus: app.get(EventBus) };
  }

  it('asks guards first', async () => {
    const { app, bus } = await start();
    expect((await bench.connect(app, '/guarded')).status).toBe(403);
    const client = await bench.connect(app, '/guarded?key=right');
    await bus.publish('news', { data: 'in' });
    expect((await client.next()).data).toBe('in!');
    expect(app.get(SseConnections).ended.error).toBe(0);
  });

  it('answers with the real status when a pipe refuses, also one that takes its time', async () => {
    const { app } = await start();
    expect((await bench.connect(app, '/number/x')).status).toBe(400);
    expect((await (await bench.connect(app, '/number/7')).next()).data).toBe('8!');
    expect((await bench.connect(app, '/checked')).status).toBe(400);
    expect((await (await bench.connect(app, '/checked?a=b')).next()).data).toBe('b!');
  });

  it('lets exception filters answer an early error', async () => {
    const { app } = await start();
    const client = await bench.connect(app, '/teapot');
    await client.closed;
    expect([client.status, client.text]).toEqual([418, 'short and stout']);
  });

  it('shows events to the interceptors of class and method, and resumes behind them', async () => {
    const { app, bus } = await start();
    const client = await bench.connect(app, '/loud');
    const one = await bus.publish('news', { data: 'one' });
    expect(await client.next()).toMatchObject({ data: 'ONE!', lastEventId: one });
    client.close();
    await bus.publish('news', { data: 'two' });
    const again = await bench.connect(app, '/loud', { lastEventId: one });
    expect((await again.next()).data).toBe('TWO!');
  });

  it('shows events to global interceptors, those of modules and those of the application', async () => {
    const app = await bench.start({
      controllers: [Routes],
      providers: [{ provide: APP_INTERCEPTOR, useClass: Uppercase }],
      configure: (app) => {
        app.useGlobalInterceptors(interceptor(map(twice)));
        // As a module does that is made before ours.
        app.get(ApplicationConfig).getGlobalInterceptors().unshift(new Exclaim());
      },
    });
    const client = await bench.connect(app, '/news');
    const id = await app.get(EventBus).publish('news', { data: 'one' });
    expect(await client.next()).toMatchObject({ data: 'ONE!ONE!!', lastEventId: id });
  });

  it('answers with the real status when a global interceptor gives up before anything went out', async () => {
    const app = await bench.start({
      controllers: [Routes],
      configure: (app) =>
        app.useGlobalInterceptors(
          interceptor(() =>
            timer(40).pipe(mergeMap(() => throwError(() => new BadRequestException()))),
          ),
        ),
    });
    expect((await bench.connect(app, '/news')).status).toBe(400);
  });

  it('lets a global interceptor wrap events, as it wraps every answer, and keeps their ids', async () => {
    const app = await bench.start({
      controllers: [Routes],
      configure: (app) => app.useGlobalInterceptors(interceptor(map((data) => ({ data })))),
    });
    const client = await bench.connect(app, '/news');
    const id = await app.get(EventBus).publish('news', { type: 'x', data: 'one' });
    const event = await client.next();
    expect(event.json()).toMatchObject({ type: 'x', data: 'one!' });
    expect(event.lastEventId).toBe(id);
  });

  describe('with an interceptor further out', () => {
    it('that wraps every answer: events stay as they are, and none is invented', async () => {
      const { app, bus } = await start(map((data) => ({ data })));
      const client = await bench.connect(app, '/news');
      const id = await bus.publish('news', { type: 'x', data: 'one' });
      expect(await client.next()).toMatchObject({ type: 'x', data: 'one!', lastEventId: id });
      client.close();
      expect(client.text.match(/^(data|event)/gm)).toHaveLength(2);
    });

    it('that looks on: it sees the completion', async () => {
      let isComplete = false;
      const { app } = await start(tap({ complete: () => (isComplete = true) }));
      const client = await bench.connect(app, '/number/1');
      await client.closed;
      expect(isComplete).toBe(true);
    });

    it('that adds messages of its own: they are delivered, without inventing ids', async () => {
      const { app, bus } = await start((source) =>
        source.pipe(startWith({ data: 'hello' }), endWith({ type: 'bye', data: { a: 1 } })),
      );
      const client = await bench.connect(app, '/news');
      expect((await client.next()).data).toBe('hello');
      const id = await bus.publish('news', { data: 'one' });
      expect(await client.next()).toMatchObject({ data: 'one!', lastEventId: id });
      app.get(SseConnections).close();
      expect(await client.next('bye')).toMatchObject({ data: '{"a":1}', lastEventId: id });
      await client.closed;
      expect(client.lastEventId).toBe(id);
    });

    it('that fails late: the client is told by an exception, and the failure is logged', async () => {
      const { app, bus } = await start((source) =>
        merge(source, timer(60).pipe(mergeMap(() => throwError(() => new Error('secret'))))),
      );
      const client = await bench.connect(app, '/news');
      await bus.publish('news', { data: 'one' });
      expect((await client.next()).data).toBe('one!');
      expect((await client.next()).type).toBe('exception');
      await client.closed;
      expect(client.text).toContain('data: Internal server error');
      expect(client.text).not.toMatch(/secret|^event: error/m);
      expect(bench.logs.find('error', 'secret').length).toBeGreaterThan(0);
      expect(app.get(SseConnections).count).toBe(0);
    });

    it('that gives up after a while: the client is told by an exception', async () => {
      const { app, bus } = await start(
        timeout({ first: 80, with: () => throwError(() => new BadRequestException('too long')) }),
      );
      const client = await bench.connect(app, '/news');
      const id = await bus.publish('news', { data: 'one' });
      expect((await client.next()).data).toBe('one!');
      expect(await client.next()).toMatchObject({
        type: 'exception',
        data: 'too long',
        lastEventId: id,
      });
      await client.closed;
    });

    it('that fails before anything went out: the real status', async () => {
      const { app } = await start(() => throwError(() => new BadRequestException()));
      expect((await bench.connect(app, '/news')).status).toBe(400);
    });

    it('that completes early: the response ends, and nothing stays subscribed', async () => {
      const over = new Subject<void>();
      const { app, bus } = await start(takeUntil(over));
      const client = await bench.connect(app, '/news');
      await bus.publish('news', { data: 'one' });
      expect((await client.next()).data).toBe('one!');
      over.next();
      await client.closed;
      expect(app.get(SseConnections).count).toBe(0);
      expect(app.get(SseConnections).ended.complete).toBe(1);
    });

    it('that never asks the handler: what it answers is delivered', async () => {
      const { app } = await start(() => concat(of({ data: 'cached' })));
      const client = await bench.connect(app, '/news');
      expect(client.status).toBe(200);
      expect((await client.next()).data).toBe('cached');
      await client.closed;
    });

    it('that tries again: the handler that succeeds is delivered', async () => {
      const { app } = await start(retry(3));
      const client = await bench.connect(app, '/flaky');
      expect(client.status).toBe(200);
      expect((await client.next()).data).toBe('attempt 3!');
      await client.closed;
      expect(app.get(SseConnections).count).toBe(0);
    });
  });

  it('answers an Observable that completes at once with an empty stream', async () => {
    const { app } = await start();
    const client = await bench.connect(app, '/empty');
    expect(client.status).toBe(200);
    await client.closed;
    expect(client.text).not.toMatch(/^(data|event|id)/m);
    await until('no connection', () => app.get(SseConnections).count === 0);
  });
});
