import { expect, it } from '@jest/globals';
import { Controller, HttpException, type MessageEvent, Query, Sse } from '@nestjs/common';
import { concat, map, NEVER, Observable, of, throwError, timer } from 'rxjs';
import { EventBus, SseConnections, type SseModuleOptions } from 'nestjs-event-stream';
import { NestInternals } from '../../src/nest/internals/nest-internals.js';
import { type Bench, eachAdapter } from '../support/each-adapter.js';
import { until } from '../support/until.js';

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Sse('mapped')
  mapped(): Observable<MessageEvent> {
    return this.bus.stream('news').pipe(map(({ data }) => ({ data: data as string })));
  }

  @Sse('short')
  short(@Query('wait') wait = '0'): Observable<MessageEvent> {
    const messages = of({ data: 'one', id: '7' }, { data: 'two' });
    return wait === '0'
      ? messages
      : concat(timer(20).pipe(map(() => ({ data: 'zero' }))), messages);
  }

  @Sse('failing')
  failing(): Observable<MessageEvent> {
    return concat(
      of({ data: 'one' }),
      throwError(() => new HttpException('Gone', 410)),
    );
  }

  @Sse('refusing')
  refusing(): Observable<MessageEvent> {
    throw new HttpException('No', 403);
  }

  @Sse('quiet')
  quiet(): Observable<MessageEvent> {
    return NEVER;
  }
}

/** Whatever is asked of the inside of Nest and RxJS, the answer is no. */
function start(bench: Bench, sse: SseModuleOptions = {}) {
  return bench.start({
    controllers: [Routes],
    sse,
    override: (builder) =>
      builder.overrideProvider(NestInternals).useFactory({
        factory: () =>
          new NestInternals({
            chain: undefined,
            isFollowed: false,
            missingInStream: ['commitHeaders'],
            enhanceRoutes: undefined,
            isAwaited: () => false,
          }),
      }),
  });
}

eachAdapter((bench) => {
  it.each(['/news', '/mapped'])('delivers and resumes: %s', async (path) => {
    const app = await start(bench);
    const bus = app.get(EventBus);
    const had = await bus.publish('news', { data: 'had' });
    const missed = await bus.publish('news', { data: 'missed' });
    const client = await bench.connect(app, path, { lastEventId: had });
    expect(await client.next()).toMatchObject({ data: 'missed', lastEventId: missed });
    const live = await bus.publish('news', { data: 'live' });
    expect(await client.next()).toMatchObject({ data: 'live', lastEventId: live });
    client.close();
    await until('it is gone', () => app.get(SseConnections).ended.client === 1);
    expect(bench.logs.find('warn', 'is not known from the inside')).toHaveLength(1);
    expect(bench.logs.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it.each(['/short', '/short?wait=1'])('loses nothing of what ends at once: %s', async (path) => {
    const app = await start(bench);
    const client = await bench.connect(app, path);
    await client.closed;
    expect(client.status).toBe(200);
    expect(client.text).toMatch(/retry: \d+[^]*id: 7\ndata: one\n\ndata: two\n\n$/);
    expect(app.get(SseConnections).ended.complete).toBe(1);
  });

  it('tells of a late failure, and refuses early', async () => {
    const app = await start(bench);
    const client = await bench.connect(app, '/failing');
    expect((await client.next()).data).toBe('one');
    expect((await client.next('exception')).data).toBe('Gone');
    await client.closed;
    const refused = await bench.connect(app, '/refusing');
    await refused.closed;
    expect(refused.status).toBe(403);
  });

  it('tells a client too many to come later', async () => {
    const app = await start(bench, { maxConnections: 0 });
    const client = await bench.connect(app, '/news');
    await client.closed;
    expect([client.status, client.retry !== undefined]).toEqual([200, true]);
  });

  it('sends heartbeats, and ends all when the application does', async () => {
    const app = await start(bench, { heartbeatInterval: 20 });
    const client = await bench.connect(app, '/quiet');
    await until('a heartbeat', () => client.comments > 0);
    await app.close();
    await client.closed;
  });
});
