import type { ServerResponse } from 'node:http';
import { afterEach, expect, it } from '@jest/globals';
import { Controller, Get, type MessageEvent, Sse, SseSignal } from '@nestjs/common';
import { map, Observable, range, Subject } from 'rxjs';
import { EventBus, type LateError, SseConnections } from 'nestjs-event-stream';
import { eachAdapter } from '../support/each-adapter.js';
import { RawClient } from '../support/raw-client.js';
import { turns, until } from '../support/until.js';

/** Of 2 ms each: a round of them all is cut into slices of 20 ms. */
const READERS = 32;

/** Called at each event that one of the slow streams reads. */
let onSlow: () => void = () => {};
let response: ServerResponse | undefined;
let steps: string[] = [];
const own = new Subject<MessageEvent>();

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  /** So slow that a round of the readers is cut into slices. */
  @Sse('slow')
  slow(): Observable<MessageEvent> {
    return this.bus.stream('news', {
      where: () => {
        const end = performance.now() + 2;
        while (performance.now() < end);
        onSlow();
        return true;
      },
    });
  }

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Get('other')
  other(): string {
    return 'another answer';
  }

  @Sse('many')
  many(): Observable<MessageEvent> {
    return range(1, 20_000).pipe(map((n) => ({ data: `${n}` })));
  }

  @Sse('too-much')
  tooMuch(): Observable<MessageEvent> {
    const data = 'x'.repeat(65_536);
    return range(1, 2_000).pipe(map(() => ({ data })));
  }

  @Sse('own')
  own(): Observable<MessageEvent> {
    return own;
  }

  @Sse('signal')
  signal(@SseSignal() signal: AbortSignal): Observable<MessageEvent> {
    signal.addEventListener('abort', () => steps.push('aborted'));
    return new Observable((subscriber) => {
      subscriber.next({ data: 'here' });
      return () => steps.push('unsubscribed');
    });
  }
}

afterEach(() => {
  onSlow = () => {};
  response = undefined;
  steps = [];
});

eachAdapter((bench) => {
  const ways = bench.isHttp2 ? [] : ['close()', 'the end of its response'];
  for (const way of ways) {
    it(`writes nothing after ${way}, though a round cut in slices has yet to come to it`, async () => {
      const app = await bench.start({
        controllers: [Routes],
        sse: { heartbeatInterval: false },
        configure: (each) => {
          const server = each.getHttpServer() as NodeJS.EventEmitter;
          server.on('request', ({ url }: { url: string }, answer: ServerResponse) => {
            if (url === '/news') response = answer;
          });
        },
      });
      const bus = app.get<EventBus>(EventBus);
      const connections = app.get(SseConnections);
      await Promise.all(Array.from({ length: READERS }, () => bench.connect(app, '/slow')));
      const client = new RawClient(app, 'GET /news HTTP/1.1\r\nHost: localhost\r\n\r\n');
      let read = 0;
      onSlow = () => read++;
      await client.has('id:');
      await bus.publish('news', { data: 'before' });
      await client.has('data: before');
      await until('a round', () => read === READERS);
      onSlow = () => {
        // Between this slice of the round and the next.
        if (++read === READERS + 8) setImmediate(end);
      };
      const end = () => {
        if (way === 'close()') connections.close(({ path }) => path === '/news');
        else response?.end();
      };
      await bus.publish('news', { data: 'too late' });
      await until('the round is over', () => read === 2 * READERS);
      await turns();
      await until('the end', () => client.responses[0]?.isComplete === true);
      client.send('GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n');
      expect((await client.has('another answer', 1)).isComplete).toBe(true);
      expect(client.responses[0]?.body).not.toContain('too late');
      client.close();
    }, 20_000);
  }

  it('delivers many messages that are emitted before there are headers', async () => {
    const app = await bench.start({ controllers: [Routes] });
    const client = await bench.connect(app, '/many', { timeout: 20_000 });
    const events = await client.take(20_000);
    expect(events.at(-1)?.data).toBe('20000');
  }, 30_000);

  it('holds to maxBuffered for what is emitted before there are headers', async () => {
    const app = await bench.start({ controllers: [Routes] });
    const before = process.memoryUsage().rss;
    await bench.connect(app, '/too-much').catch(() => undefined);
    const connections = app.get(SseConnections);
    await until('it is cut off', () => connections.ended.overflow === 1);
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
  });

  it('aborts the signal of a handler before its Observable, when the client leaves', async () => {
    const app = await bench.start({ controllers: [Routes] });
    const client = await bench.connect(app, '/signal');
    await client.next();
    client.close();
    await until('both', () => steps.length === 2);
    expect(steps).toEqual(['aborted', 'unsubscribed']);
  });

  it('completes a stream that is opened after the application has closed', async () => {
    const app = await bench.start({ controllers: [Routes] });
    const bus = app.get<EventBus>(EventBus);
    const stream = bus.stream('news');
    await app.close();
    let isComplete = false;
    stream.subscribe({ complete: () => (isComplete = true) });
    expect(isComplete).toBe(true);
  });

  it('tells an application of errors that came too late for its filters', async () => {
    const app = await bench.start({ controllers: [Routes], sse: { openTimeout: 10 } });
    const connections = app.get(SseConnections);
    const told: LateError[] = [];
    connections.errors$.subscribe((late) => told.push(late));
    const client = await bench.connect(app, '/own');
    await until('a subscription', () => own.observed);
    own.next({ data: { cannot: 1n } });
    await until('it is told', () => told.length === 1);
    expect(told[0]).toMatchObject({
      error: expect.any(TypeError) as unknown,
      message: expect.stringContaining('dropped') as unknown,
      connection: { route: 'GET /own' },
    });
    client.close();
  });
});
