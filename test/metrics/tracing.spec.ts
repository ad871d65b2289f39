import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, type INestApplication, type MessageEvent, Sse } from '@nestjs/common';
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { Backplane, EventBus } from 'nestjs-event-stream';
import { SseTracingModule } from 'nestjs-event-stream/metrics';
import { activeTraceparent } from 'nestjs-event-stream/metrics/instrumentation';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { sqliteBackplane } from 'nestjs-event-stream/sqlite';
import type { Observable } from 'rxjs';
import { traceparentOf } from '../../src/log/traceparent.js';
import { RedisServer } from '../redis/support/redis-server.js';
import { temporaryPaths } from '../sqlite/support/folder.js';
import { eachAdapter, onExpress } from '../support/each-adapter.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { FailingBackplane } from './failing-backplane.js';
import { Spans } from './spans.js';

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }
}

let spans: Spans;

beforeEach(() => {
  spans = new Spans();
});

afterEach(() => spans.stop());

function setup(backplane?: Backplane) {
  const { tracerProvider } = spans;
  return {
    sse: { backplane },
    controllers: [Routes],
    imports: [SseTracingModule.forRoot({ tracerProvider })],
  };
}

function publishWithin(app: INestApplication, data: unknown) {
  return spans.within(() => app.get(EventBus).publish('news', { data }));
}

/** Publish and deliveries of one event, of one trace. */
async function expectOneTrace(traceId: string, cursor: string, deliveries: number): Promise<void> {
  const delivered = () =>
    spans
      .named('deliver')
      .filter(({ attributes }) => attributes['messaging.message.id'] === cursor);
  await until('it is delivered', () => delivered().length === deliveries);
  for (const span of delivered()) {
    const published = spans
      .named('publish')
      .find(({ attributes }) => attributes['messaging.message.id'] === cursor);
    const parent = published?.spanContext().spanId;
    expect(span.spanContext().traceId).toBe(traceId);
    expect(span.links.map(({ context }) => context.traceId)).toEqual([traceId]);
    expect(span.kind).toBe(SpanKind.CONSUMER);
    if (published === undefined) continue;
    expect(published.spanContext().traceId).toBe(traceId);
    expect(span.parentSpanContext?.spanId).toBe(parent);
  }
}

eachAdapter((bench) => {
  it('is one trace from the publish to the delivery, of which clients see nothing', async () => {
    const app = await bench.start(setup());
    const client = await bench.connect(app, '/news');
    await until('it reads', () => client.lastEventId !== '');
    const { traceId, value: cursor } = await publishWithin(app, 1);
    expect((await client.next()).data).toBe('1');
    await expectOneTrace(traceId, cursor, 1);
    expect(client.text).not.toContain(traceId);
    client.close();
    await until('the stream has a span', () => spans.named('stream /news').length === 1);
    const [stream] = spans.named('stream /news');
    expect(stream?.attributes).toMatchObject({
      'http.route': '/news',
      'sse.connection.end_reason': 'client',
    });
  });
});

describe('SseTracingModule', () => {
  const bench = onExpress();
  const newPath = temporaryPaths();

  it('gives a publish that fails the code of its error', async () => {
    const backplane = new FailingBackplane();
    const app = await bench.start(setup(backplane));
    backplane.isFailing = true;
    await expect(app.get(EventBus).publish('news', { data: 1 })).rejects.toThrow('away');
    const [span] = spans.named('publish');
    expect(span?.attributes['error.type']).toBe('BACKPLANE_UNAVAILABLE');
    expect(span?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'away' });
  });

  it('begins no trace for what is published where nothing is traced', async () => {
    const app = await bench.start({ ...setup(), imports: [SseTracingModule.forRoot()] });
    const client = await bench.connect(app, '/news');
    await app.get(EventBus).publish('news', { data: 1 });
    await client.next();
    expect(spans.named('deliver')).toEqual([]);
  });

  it('goes from one instance to another through SQLite', async () => {
    const path = newPath();
    const one = await bench.start(setup(sqliteBackplane({ path })));
    await bench.start(setup(sqliteBackplane({ path })));
    const { traceId, value: cursor } = await publishWithin(one, 'line\nbreak');
    await expectOneTrace(traceId, cursor, 2);
    const except = { owner: 'ada' };
    const bus = one.get(EventBus);
    const other = await spans.within(() => bus.publish('news', { data: '\0' }, { except }));
    await expectOneTrace(other.traceId, other.value, 2);
  });

  it('takes an event that comes late for history', async () => {
    const app = await bench.start(setup());
    const { traceId, value: trace } = await spans.within(async () => activeTraceparent());
    const record = { topics: ['news'], text: 'old', isJson: false, trace };
    await app.get(Backplane).publish({ ...record, at: Date.now() - 120_000 });
    const recent = await app.get(Backplane).publish(record);
    await expectOneTrace(traceId, recent, 1);
    expect(spans.named('deliver')).toHaveLength(1);
  });

  describeWith(REDIS_SERVER, 'with Redis', (server) => {
    let redis: RedisServer;

    beforeAll(async () => {
      redis = await RedisServer.start(server);
    });

    afterAll(() => redis.stop());

    it('goes from one instance to another, and from a publisher outside Nest to both', async () => {
      const { url } = redis;
      const one = await bench.start(setup(redisBackplane({ url })));
      await bench.start(setup(redisBackplane({ url })));
      const { traceId, value: cursor } = await publishWithin(one, 1);
      await expectOneTrace(traceId, cursor, 2);
      process.env['REDIS_URL'] = url;
      const { publisher } = await import('../../examples/tracing/worker.js');
      const outside = await spans.within(() => publisher.publish('news', { data: 2 }));
      await publisher.close();
      await expectOneTrace(outside.traceId, outside.value, 2);
    });
  });

  it('says what is missing where SseModule is', async () => {
    const starting = bench.start({ sse: false, imports: [SseTracingModule.forRoot()] });
    await expect(starting).rejects.toThrow(
      /SseTracingModule has nothing to look at: import SseModule/,
    );
  });
});

describe('traceparentOf', () => {
  it.each(['', 'x', '00-1-2-01', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01\n`, 7, undefined])(
    'knows what is none: %j',
    (value) => {
      expect(traceparentOf(value)).toBeUndefined();
    },
  );
});
