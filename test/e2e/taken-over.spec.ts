import { expect, it } from '@jest/globals';
import type { ServerResponse } from 'node:http';
import {
  type CallHandler,
  Controller,
  type INestApplication,
  type MessageEvent,
  Sse,
  SseSignal,
} from '@nestjs/common';
import { ApplicationConfig } from '@nestjs/core';
import { defer, endWith, finalize, map, merge, NEVER, Observable } from 'rxjs';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { eachAdapter } from '../support/each-adapter.js';
import { onEveryRoute } from '../support/on-every-route.js';
import { turns, until } from '../support/until.js';

const signals: AbortSignal[] = [];
let mayFail = () => {};
let sayGoodbye = () => {};
let left = 0;
let torndown = 0;

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('plain')
  plain(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Sse('promised')
  async promised(): Promise<Observable<MessageEvent>> {
    await turns();
    return this.bus.stream('news');
  }

  @Sse('deferred')
  deferred(): Observable<MessageEvent> {
    return defer(() => this.bus.stream('news'));
  }

  @Sse('selected')
  selected(): Observable<MessageEvent> {
    return this.bus.stream(['news', 'more'], { where: ({ data }) => data !== 'dropped' });
  }

  @Sse('watched')
  watched(@SseSignal() signal: AbortSignal): Observable<MessageEvent> {
    signals.push(signal);
    return this.bus.stream('news');
  }

  @Sse('presence')
  presence(): Observable<MessageEvent> {
    const opened = new Observable<MessageEvent>((subscriber) => {
      const subscription = this.bus.stream('news').subscribe(subscriber);
      sayGoodbye = () => {
        subscriber.next({ data: 'bye' });
        subscriber.complete();
      };
      return () => {
        torndown++;
        subscription.unsubscribe();
      };
    });
    return opened.pipe(finalize(() => left++));
  }

  @Sse('failing')
  failing(): Observable<MessageEvent> {
    const failure = new Promise<never>((_, reject) => {
      mayFail = () => reject(new Error('secret'));
    });
    return this.bus.stream('news', { snapshot: () => failure });
  }

  @Sse('mapped')
  mapped(): Observable<MessageEvent> {
    return this.bus
      .stream('news')
      .pipe(map((event) => ({ ...event, data: `${event.data as string}!` })));
  }

  @Sse('merged')
  merged(): Observable<MessageEvent> {
    return merge(this.bus.stream('news'), NEVER);
  }
}

eachAdapter((bench) => {
  let responses: ServerResponse[] = [];

  async function start(
    configure?: (app: INestApplication) => void,
    override?: typeof onEveryRoute,
  ) {
    responses = [];
    const app = await bench.start({
      controllers: [Routes],
      ...(override && { override }),
      configure: (app) => {
        app.use((_: unknown, response: ServerResponse, next: () => void) => {
          responses.push(response);
          next();
        });
        configure?.(app);
      },
    });
    return { app, bus: app.get(EventBus), connections: app.get(SseConnections) };
  }

  /** Whether Nest's own stream still goes into the response. */
  const isPiped = () => responses[0]?.listenerCount('unpipe') !== 0;

  it.each(['/plain', '/promised', '/deferred', '/selected', '/watched'])(
    'leaves nothing to Nest of a stream that a handler returns as it is: %s',
    async (path) => {
      const { app, bus, connections } = await start();
      const client = await bench.connect(app, path);
      await until('it reads', () => client.lastEventId !== '');
      expect(isPiped()).toBe(bench.isHttp2);
      await bus.publish('news', { data: 'dropped' });
      const id = await bus.publish('news', { data: 'one' });
      const received = path === '/selected' ? await client.take(1) : await client.take(2);
      expect(received.at(-1)).toMatchObject({ data: 'one', lastEventId: id });
      connections.close();
      await client.closed;
      expect(connections.ended.closed).toBe(1);
      expect(connections.count).toBe(0);
    },
  );

  it.each([
    ['/mapped', 'one!'],
    ['/merged', 'one'],
  ])('goes through whatever is between a stream and Nest: %s', async (path, data) => {
    const { app, bus } = await start();
    const client = await bench.connect(app, path);
    await until('it reads', () => client.lastEventId !== '');
    expect(isPiped()).toBe(true);
    await bus.publish('news', { data: 'one' });
    expect((await client.next()).data).toBe(data);
  });

  it('aborts the signal of the handler when the client leaves, and not before', async () => {
    const { app, bus, connections } = await start();
    const client = await bench.connect(app, '/watched');
    await until('it reads', () => client.lastEventId !== '');
    await bus.publish('news', { data: 'one' });
    await client.next();
    expect(signals.at(-1)?.aborted).toBe(false);
    client.close();
    await until('it is aborted', () => signals.at(-1)?.aborted === true);
    expect(connections.ended.client).toBe(1);
  });

  it.each(['client', 'application'])(
    'tears down what a handler has put around a stream when the connection ends, and not before: by the %s',
    async (who) => {
      left = torndown = 0;
      const { app, bus, connections } = await start();
      const client = await bench.connect(app, '/presence');
      await until('it reads', () => client.lastEventId !== '');
      expect(isPiped()).toBe(bench.isHttp2);
      await bus.publish('news', { data: 'one' });
      await client.next();
      expect([left, torndown]).toEqual([0, 0]);
      if (who === 'client') client.close();
      else connections.close();
      await until('it is torn down', () => left + torndown === 2);
      expect([left, torndown]).toEqual([1, 1]);
    },
  );

  it('delivers what else comes the way of a stream, and its end', async () => {
    const { app, bus, connections } = await start();
    const client = await bench.connect(app, '/presence');
    await until('it reads', () => client.lastEventId !== '');
    const id = await bus.publish('news', { data: 'one' });
    expect(await client.next()).toMatchObject({ data: 'one', lastEventId: id });
    sayGoodbye();
    expect((await client.next()).data).toBe('bye');
    await client.closed;
    expect(connections.ended.complete).toBe(1);
  });

  it('tells a client of a snapshot that fails, and ends', async () => {
    const { app, connections } = await start();
    const client = await bench.connect(app, '/failing');
    await until('it is open', () => client.retry !== undefined);
    mayFail();
    expect((await client.next('exception')).data).toBe('Internal server error');
    await client.closed;
    expect(connections.ended.error).toBe(1);
  });

  it('lets an interceptor further out see the end when it comes', async () => {
    const { app, bus, connections } = await start((app) => {
      const bye = (_: unknown, next: CallHandler) =>
        next.handle().pipe(endWith({ type: 'bye', data: 'bye' }));
      app.get(ApplicationConfig).getGlobalInterceptors().unshift({ intercept: bye });
    }, onEveryRoute);
    const client = await bench.connect(app, '/plain');
    await until('it reads', () => client.lastEventId !== '');
    await bus.publish('news', { data: 'one' });
    expect((await client.next()).data).toBe('one');
    connections.close();
    expect((await client.next('bye')).data).toBe('bye');
    await client.closed;
  });
});
