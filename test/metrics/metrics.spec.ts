import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, type INestApplication, type MessageEvent, Param, Sse } from '@nestjs/common';
import { EventBus, SseModule } from 'nestjs-event-stream';
import { SseMetricsModule } from 'nestjs-event-stream/metrics';
import { map, type Observable } from 'rxjs';
import type { ConnectionInfo } from '../../src/delivery/connection-info.js';
import { RouteCounts } from '../../src/metrics/route-counts.js';
import { eachAdapter, onExpress } from '../support/each-adapter.js';
import { until } from '../support/until.js';
import { FailingBackplane } from './failing-backplane.js';
import { Sdk } from './scrape.js';

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('rooms/:id')
  room(@Param('id') id: string): Observable<MessageEvent> {
    return this.bus.stream(`room.${id}`);
  }

  @Sse('mapped/:id')
  mapped(@Param('id') id: string): Observable<MessageEvent> {
    return this.bus.stream(`room.${id}`).pipe(map((event) => ({ ...event })));
  }

  @Sse('broken')
  broken(): Observable<MessageEvent> {
    throw new Error('broken');
  }
}

let sdk: Sdk;

beforeEach(() => {
  sdk = new Sdk();
});

afterEach(() => sdk.stop());

const ROOM = 'http.request.method="GET",http.route="/rooms/:id"';

function setup(sse = {}) {
  const { meterProvider } = sdk;
  return { sse, controllers: [Routes], imports: [SseMetricsModule.forRoot({ meterProvider })] };
}

async function reads(name: string, value: number): Promise<void> {
  await until(`${name} is ${value}`, async () => (await sdk.read()).get(name) === value);
}

eachAdapter((bench) => {
  it('counts streams by the pattern of their route, events, bytes and durations', async () => {
    const app = await bench.start(setup());
    // What follows orders to close connections.
    const indexes = (await sdk.read()).get('sse.log.topics') ?? 0;
    const one = await bench.connect(app, '/rooms/1');
    const two = await bench.connect(app, '/rooms/2');
    const mapped = await bench.connect(app, '/mapped/1');
    await app.get(EventBus).publish('room.1', { data: 1 });
    await app.get(EventBus).publish('room.2', { data: { a: 2 } });
    await Promise.all([one.next(), two.next(), mapped.next()]);
    await reads('sse.server.delivered.events', 3);
    const open = await sdk.read();
    expect(open.get(`sse.server.active_connections{${ROOM}}`)).toBe(2);
    expect(open.get(`sse.server.connection.time_to_open{${ROOM}}`)).toBe(2);
    expect(open.get('sse.server.network.io')).toBe(
      // Nest begins each response with a line feed of its own.
      [one, two, mapped].reduce((sum, { text }) => sum + Buffer.byteLength(text) - 1, 0),
    );
    expect(open.get('sse.server.delivery.duration')).toBeGreaterThan(0);
    expect(open.get('sse.server.published.events')).toBe(2);
    expect(open.get('sse.backplane.publish.duration')).toBe(2);
    expect(open.get('sse.log.events')).toBe(2);
    expect(open.get('sse.log.size')).toBeGreaterThan(0);
    expect(open.get('sse.log.topics')).toBe(indexes + 2);
    one.close();
    await reads(`sse.server.ended.connections{${ROOM},sse.connection.end_reason="client"}`, 1);
    const ended = await sdk.read();
    expect(ended.get(`sse.server.active_connections{${ROOM}}`)).toBe(1);
    expect(ended.get(`sse.server.opened.connections{${ROOM}}`)).toBe(2);
    expect(ended.get(`sse.server.connection.duration{${ROOM}}`)).toBe(1);
    expect(ended.get('sse.server.network.io')).toBeGreaterThanOrEqual(
      open.get('sse.server.network.io') ?? 0,
    );
    const names = [...ended.keys()].join('\n');
    expect(names).not.toMatch(/room\.1|rooms\/1|127\.0\.0\.1/);
  });

  it('counts what is refused, and what failed before it was open, as ended and not as opened', async () => {
    const app = await bench.start(setup({ maxConnections: 0 }));
    await (
      await bench.connect(app, '/rooms/1')
    ).closed;
    await reads(`sse.server.ended.connections{${ROOM},sse.connection.end_reason="refused"}`, 1);
    const values = await sdk.read();
    expect(values.get(`sse.server.active_connections{${ROOM}}`)).toBe(0);
    expect(values.get(`sse.server.opened.connections{${ROOM}}`)).toBe(0);
  });
});

describe('SseMetricsModule', () => {
  const bench = onExpress();

  async function published(app: INestApplication, topic: string, count: number): Promise<string[]> {
    const ids: string[] = [];
    for (let data = 0; data < count; data++)
      ids.push(await app.get(EventBus).publish(topic, { data }));
    return ids;
  }

  it('counts gaps by their reason, and resumes by what they go on from', async () => {
    const history = { maxEvents: 2, topics: [{ match: 'room.kept', keepEvents: 10 }] };
    const app = await bench.start(setup({ history }));
    const [kept = ''] = await published(app, 'room.kept', 4);
    const [lost = ''] = await published(app, 'room.1', 4);
    const last = app.get(EventBus).head;
    const resumed = (path: string, lastEventId: string) =>
      bench.connect(app, path, { lastEventId });
    await (await resumed('/rooms/kept', kept)).take(3);
    await (await resumed('/rooms/1', lost)).next('gap');
    await (await resumed('/rooms/1', 'nonsense')).next('gap');
    await (await resumed('/rooms/1', '0000000000000000.7')).next('gap');
    await resumed('/rooms/1', last);
    await bench.connect(app, '/rooms/1');
    await reads('sse.server.resumes{sse.resume.outcome="tail"}', 1);
    const values = await sdk.read();
    expect(values.get('sse.server.resumes{sse.resume.outcome="archive"}')).toBe(1);
    expect(values.get('sse.server.resumes{sse.resume.outcome="gap"}')).toBe(3);
    expect(values.get('sse.server.gaps{sse.gap.reason="trimmed"}')).toBe(1);
    expect(values.get('sse.server.gaps{sse.gap.reason="unknown"}')).toBe(1);
    expect(values.get('sse.server.gaps{sse.gap.reason="epoch"}')).toBe(1);
    expect(values.get('sse.archive.events')).toBe(4);
    expect(values.get('sse.archive.topics')).toBe(1);
    expect(values.get('sse.archive.size')).toBeGreaterThan(0);
  });

  it('counts publishes that failed by the code of their error, and says that the backplane is there', async () => {
    const backplane = new FailingBackplane();
    const app = await bench.start(setup({ backplane }));
    backplane.isFailing = true;
    await expect(published(app, 'room.1', 1)).rejects.toThrow('away');
    const values = await sdk.read();
    expect(values.get('sse.server.published.events{error.type="BACKPLANE_UNAVAILABLE"}')).toBe(1);
    expect(values.get('sse.server.published.events')).toBe(0);
    expect(values.get('sse.backplane.connected')).toBe(1);
  });

  it('says how far the instance is behind its backplane', async () => {
    const backplane = new FailingBackplane();
    await bench.start(setup({ backplane }));
    expect((await sdk.read()).get('sse.backplane.lag.events')).toBe(0);
    backplane.lag = { lagEvents: 7, lagMs: 1_500 };
    const values = await sdk.read();
    expect(values.get('sse.backplane.lag.events')).toBe(7);
    expect(values.get('sse.backplane.lag.duration')).toBe(1.5);
  });

  it('counts clients that are behind', async () => {
    const app = await bench.start(setup({ highWaterMark: 1_000, stallTimeout: 300 }));
    const client = await bench.connect(app, '/rooms/1');
    client.pause();
    const data = 'x'.repeat(500_000);
    for (let count = 0; count < 20; count++) await app.get(EventBus).publish('room.1', { data });
    await reads('sse.server.behind_connections', 1);
    await reads(`sse.server.ended.connections{${ROOM},sse.connection.end_reason="stalled"}`, 1);
    await reads('sse.server.behind_connections', 0);
  });

  it('does not count what this package publishes and follows itself', async () => {
    const app = await bench.start(setup());
    const client = await bench.connect(app, '/rooms/1');
    await app
      .get(EventBus)
      .publishInternal('$connections', { name: 'owner', value: 'a', reason: 'closed' });
    await app.get(EventBus).publish('room.1', { data: 1 });
    await client.next();
    expect((await sdk.read()).get('sse.server.published.events')).toBe(1);
  });

  it('says what is missing where SseModule is', async () => {
    const starting = bench.start({ sse: false, imports: [SseMetricsModule.forRoot()] });
    await expect(starting).rejects.toThrow(
      /SseMetricsModule has nothing to look at: import SseModule/,
    );
  });

  it('takes a provider that is set before the application starts, without being given one', async () => {
    const { metrics } = await import('@opentelemetry/api');
    metrics.setGlobalMeterProvider(sdk.meterProvider);
    try {
      const imports = [SseModule.forRoot(), SseMetricsModule.forRoot()];
      await bench.start({ sse: false, imports });
      expect((await sdk.read()).get('sse.log.events')).toBe(0);
    } finally {
      metrics.disable();
    }
  });

  it('reads nothing of an application that has been closed', async () => {
    await bench.start(setup());
    await bench.stop();
    expect([...(await sdk.read()).keys()]).toEqual([]);
  });
});

describe('RouteCounts', () => {
  it('tell so many routes apart, and no more', () => {
    const routes = new RouteCounts();
    for (let id = 0; id < 1_000; id++)
      routes.of({ route: `GET /rooms/${id}` } as ConnectionInfo).opened++;
    const counts = [...routes];
    expect(counts).toHaveLength(201);
    expect(counts.at(-1)).toMatchObject({ attributes: { 'http.route': '_OTHER' }, opened: 800 });
  });
});
