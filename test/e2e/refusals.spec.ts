import { expect, it } from '@jest/globals';
import {
  type ArgumentsHost,
  Catch,
  Controller,
  type ExceptionFilter,
  HttpException,
  type INestApplication,
  type MessageEvent,
  Req,
  RequestMethod,
  Sse,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { NEVER, type Observable } from 'rxjs';
import { EventBus, SseConnections, type SseModuleOptions } from 'nestjs-event-stream';
import { connectEvents } from 'nestjs-event-stream/client';
import { type Client, eachAdapter, onExpress, urlOf } from '../support/each-adapter.js';
import { until } from '../support/until.js';

let asked = 0;

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Sse('news', { method: RequestMethod.POST })
  post(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  /** Thinks, and has not said yet what it streams. */
  @Sse('slow', { method: RequestMethod.POST })
  slow(@Req() _: unknown): Observable<MessageEvent> {
    asked++;
    return NEVER;
  }
}

/** As any API would: errors in a shape of its own. */
@Catch(HttpException)
class OwnShape implements ExceptionFilter {
  constructor(private readonly host: HttpAdapterHost) {}

  catch(error: HttpException, host: ArgumentsHost): void {
    const response: unknown = host.switchToHttp().getResponse();
    this.host.httpAdapter.reply(response, { own: error.message }, error.getStatus());
  }
}

const FETCH = { headers: { accept: '*/*', origin: 'https://example.com' } };
const POST = { method: 'POST', body: {} };
const UNAVAILABLE = 'No stream can be opened now: try again later';

eachAdapter((bench) => {
  async function start(sse: SseModuleOptions) {
    const retry = { min: 1_000, max: 2_000 };
    const app = await bench.start({
      controllers: [Routes],
      sse: { retry, ...sse },
      configure: (made) => made.enableCors({ origin: 'https://example.com' }),
    });
    return { app, connections: app.get(SseConnections) };
  }

  async function expectTurnedAway(client: Client, status: number, message: string): Promise<void> {
    await client.closed;
    expect(client.status).toBe(status);
    expect(client.headers['content-type']).toContain('application/json');
    expect(JSON.parse(client.text)).toMatchObject({ statusCode: status, message });
  }

  function retryAfterOf({ headers }: Client): number {
    return Number(headers['retry-after']);
  }

  it('an EventSource is answered 200, since it would give up for good', async () => {
    const { app } = await start({ maxConnections: 0 });
    const accepts = [undefined, { headers: { accept: 'text/html, Text/Event-Stream;q=0.9' } }];
    for (const options of accepts) {
      const client = await bench.connect(app, '/news', options);
      await client.closed;
      expect([client.status, client.text.trim()]).toEqual([200, `retry: ${client.retry}`]);
    }
  });

  it('who accepts anything, or sends a POST, is answered 503 with Retry-After', async () => {
    const { app, connections } = await start({ maxConnections: 0 });
    for (const [path, options] of [
      ['/news', FETCH],
      ['/news', POST],
      ['/slow', { ...POST, ...FETCH }],
    ] as const) {
      const client = await bench.connect(app, path, options);
      await expectTurnedAway(client, 503, UNAVAILABLE);
      expect(retryAfterOf(client)).toBeGreaterThanOrEqual(10);
      expect(retryAfterOf(client)).toBeLessThanOrEqual(20);
    }
    expect(connections.ended).toMatchObject({ refused: 3, error: 0 });
    expect(connections.count).toBe(0);
    expect(bench.logs.find('error', '')).toEqual([]);
  });

  it('is told across origins too', async () => {
    const { app } = await start({ maxConnections: 0 });
    const client = await bench.connect(app, '/news', FETCH);
    expect(client.headers['access-control-allow-origin']).toBe('https://example.com');
  });

  it('whose own connections are too many is answered 429', async () => {
    const { app, connections } = await start({ limits: { perAddress: 1 } });
    const first = await bench.connect(app, '/news', POST);
    const client = await bench.connect(app, '/news', POST);
    await expectTurnedAway(client, 429, 'Too many streams are open: close one');
    expect(retryAfterOf(client)).toBeGreaterThanOrEqual(10);
    expect(connections.ended).toMatchObject({ refused: 1 });
    await app.get(EventBus).publish('news', { data: 'still' });
    expect((await first.next()).data).toBe('still');
  });

  it('is told so where the stream is ended before it has begun', async () => {
    const { app, connections } = await start({});
    const before = asked;
    const connecting = bench.connect(app, '/slow', POST);
    await until('it is asked', () => asked > before);
    expect(connections.close()).toBe(1);
    await expectTurnedAway(await connecting, 503, UNAVAILABLE);
    expect(retryAfterOf(await connecting)).toBeLessThanOrEqual(2);
    expect(connections.ended).toMatchObject({ closed: 1 });
  });

  it('is told so by an application that shuts down, on a socket that closes', async () => {
    const { app } = await start({ drain: { over: 600_000 } });
    const held = [await bench.connect(app, '/news'), await bench.connect(app, '/news')];
    const closing = close(app);
    await Promise.race(held.map(({ closed }) => closed));
    const late = await bench.connect(app, '/news', POST);
    await expectTurnedAway(late, 503, UNAVAILABLE);
    expect(late.headers.connection).toBe(bench.isHttp2 ? undefined : 'close');
    expect(retryAfterOf(late)).toBeLessThanOrEqual(4);
    process.emit('SIGUSR2', 'SIGUSR2');
    await closing;
  });
});

function close(app: INestApplication): Promise<void> {
  return (app as unknown as { close(signal: string): Promise<void> }).close('SIGUSR2');
}

const bench = onExpress();

it("is told in the application's own words for errors", async () => {
  const app = await bench.start({
    controllers: [Routes],
    sse: { maxConnections: 0 },
    configure: (made) => made.useGlobalFilters(new OwnShape(made.get(HttpAdapterHost))),
  });
  const client = await bench.connect(app, '/news', POST);
  await client.closed;
  expect([client.status, client.text]).toEqual([503, JSON.stringify({ own: UNAVAILABLE })]);
});

it('is an error for connectEvents() with a POST, and a wait if it is resumable', async () => {
  const app = await bench.start({ controllers: [Routes], sse: { maxConnections: 0 } });
  const url = `${urlOf(app)}/news`;
  const once = connectEvents(url, { method: 'POST' });
  await until('it is over', () => once.state === 'closed');
  expect(once.getSnapshot().error).toMatchObject({ status: 503 });
  const again = connectEvents(url, { method: 'POST', resumable: true });
  await until('it waits', () => again.state === 'waiting');
  expect(again.getSnapshot().error).toMatchObject({ status: 503 });
  again.close();
});
