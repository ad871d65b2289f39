import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Sse } from '@nestjs/common';
import {
  EventBus,
  MemoryBackplane,
  SseConnections,
  type BackplaneHealth,
  Backplane,
  type Cursor,
} from 'nestjs-event-stream';
import { connectEvents, type ServerEvents } from 'nestjs-event-stream/client';
import { forceDrop, forceExpiry, forceGap } from 'nestjs-event-stream/testing';
import { type Bench, eachAdapter, onExpress, urlOf } from '../support/each-adapter.js';
import { until } from '../support/until.js';

@Controller()
class News {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news() {
    return this.bus.stream('news');
  }

  @Sse('sports')
  sports() {
    return this.bus.stream('sports');
  }
}

const start = (bench: Bench) =>
  bench.start({ controllers: [News], sse: { retry: { min: 1, max: 5 }, openTimeout: 10 } });

eachAdapter((bench) => {
  it('a forced gap is told to clients that are connected and to those that come back', async () => {
    const app = await start(bench);
    const bus = app.get<EventBus>(EventBus);
    const lastEventId = await bus.publish('news', { data: 1 });
    const client = await bench.connect(app, '/news');
    forceGap(app);
    expect((await client.next()).type).toBe('gap');
    const late = await bench.connect(app, '/news', { lastEventId });
    expect(await late.next('gap')).toMatchObject({ lastEventId: bus.head });
    const id = await bus.publish('news', { data: 2 });
    expect(await late.next()).toMatchObject({ data: '2', lastEventId: id });
    expect(await client.next()).toMatchObject({ data: '2', lastEventId: id });
  });

  it('a forced drop breaks those connections, and no others', async () => {
    const app = await start(bench);
    const news = await bench.connect(app, '/news');
    const sports = await bench.connect(app, '/sports');
    expect(forceDrop(app, ({ route }) => route === 'GET /news')).toBe(1);
    await news.closed;
    await expect(news.next()).rejects.toThrow('did not come');
    await app.get<EventBus>(EventBus).publish('sports', { data: 1 });
    expect((await sports.next()).data).toBe('1');
    await until('it is counted', () => app.get(SseConnections).ended.client === 1);
  });

  it('a forced expiry ends the response, as expiresAt does', async () => {
    const app = await start(bench);
    const client = await bench.connect(app, '/news');
    expect(forceExpiry(app)).toBe(1);
    await expect(client.next()).rejects.toThrow('the response has ended (status 200 OK)');
    expect(app.get(SseConnections).ended.expired).toBe(1);
  });
});

describe('the client under forced faults', () => {
  const bench = onExpress();
  let events: ServerEvents<Record<string, unknown>> | undefined;
  afterEach(() => events?.close());

  it('loses nothing by a drop or an expiry, and is told of a gap', async () => {
    const app = await start(bench);
    const bus = app.get<EventBus>(EventBus);
    const seen: unknown[] = [];
    events = connectEvents(`${urlOf(app)}/news`);
    events.on('message', ({ data }) => seen.push(data));
    events.onGap(() => seen.push('gap'));
    await until('it is connected', () => app.get(SseConnections).count === 1);
    for (const [index, fault] of [forceDrop, forceExpiry, forceGap].entries()) {
      fault(app);
      await bus.publish('news', { data: { index } });
      await until('it has come', () => JSON.stringify(seen.at(-1)) === JSON.stringify({ index }));
    }
    expect(seen).toEqual([{ index: 0 }, { index: 1 }, 'gap', { index: 2 }]);
  });
});

describe('a fault that cannot be forced', () => {
  const bench = onExpress();

  it('is an error that says what to do', async () => {
    class OtherBackplane extends Backplane {
      readonly #own = new MemoryBackplane();
      override get health(): BackplaneHealth {
        return this.#own.health;
      }
      override open = this.#own.open.bind(this.#own);
      override publish(...given: Parameters<MemoryBackplane['publish']>): Promise<Cursor> {
        return this.#own.publish(...given);
      }
      override catchUp(): Promise<void> {
        return this.#own.catchUp();
      }
      override close(): Promise<void> {
        return this.#own.close();
      }
    }
    const app = await bench.start({
      controllers: [News],
      sse: { backplane: new OtherBackplane() },
    });
    expect(() => forceGap(app)).toThrow(
      'this application has a OtherBackplane. Write .overrideProvider(Backplane)',
    );
    expect(() => forceDrop(app)).toThrow('forceDrop(): no connection is meant; open are: none');
    await bench.connect(app, '/news');
    expect(() => forceExpiry(app, () => false)).toThrow('open are: GET /news');
  });
});
