import { expect, it } from '@jest/globals';
import { Controller, type MessageEvent, Sse } from '@nestjs/common';
import { NEVER, type Observable, of } from 'rxjs';
import { EventBus, NativeSse, SseConnections, SseOptions } from 'nestjs-event-stream';
import { eachAdapter } from '../support/each-adapter.js';
import { until } from '../support/until.js';

@Controller()
@SseOptions({ retry: { min: 7, max: 7 }, heartbeatInterval: 20 })
class Base {
  constructor(private readonly bus: EventBus) {}

  @Sse('controller')
  ofController(): Observable<MessageEvent> {
    return this.bus.stream('a');
  }

  @Sse('route')
  @SseOptions({ retry: { min: 9, max: 9 } })
  ofRoute(): Observable<MessageEvent> {
    return this.bus.stream('a');
  }

  @Sse('short')
  @SseOptions({ maxLifetime: 30 })
  short(): Observable<MessageEvent> {
    return NEVER;
  }

  @Sse('native')
  @NativeSse()
  native(): Observable<MessageEvent> {
    return of({ data: 'x' }, { data: 'y' });
  }
}

@Controller('heir')
@SseOptions({ retry: { min: 5, max: 5 } })
class Heir extends Base {}

@Controller('other')
class Other {
  constructor(private readonly bus: EventBus) {}

  @Sse('plain')
  plain(): Observable<MessageEvent> {
    return this.bus.stream('a');
  }
}

@Controller('left')
@NativeSse()
class Left {
  @Sse('native')
  native(): Observable<MessageEvent> {
    return of({ data: 'x' });
  }
}

const sse = { retry: { min: 3, max: 3 }, heartbeatInterval: false, openTimeout: 10 } as const;
const controllers = [Base, Heir, Other, Left];

eachAdapter((bench) => {
  it.each([
    ['the module where a route has none', '/other/plain', 3],
    ['the controller', '/controller', 7],
    ['the route before those of its controller', '/route', 9],
    ['the controller that has inherited a route', '/heir/controller', 5],
    ['the route that was inherited', '/heir/route', 9],
  ])('options are those of %s', async (_, path, retry) => {
    const app = await bench.start({ sse, controllers });
    const client = await bench.connect(app, path);
    await app.get(EventBus).publish('a', { data: 1 });
    await client.next();
    expect(client.retry).toBe(retry);
  });

  it('a route takes from its controller what it does not give itself', async () => {
    const app = await bench.start({ sse, controllers });
    const client = await bench.connect(app, '/route');
    const cursor = await app.get(EventBus).publish('b', { data: 1 });
    await until('a heartbeat with the cursor', () => client.lastEventId === cursor);
  });

  it('the clock is as fine as a route needs it, whoever came first', async () => {
    const app = await bench.start({ sse, controllers });
    await bench.connect(app, '/other/plain');
    const client = await bench.connect(app, '/short');
    await client.closed;
    expect(app.get(SseConnections).ended).toMatchObject({ lifetime: 1 });
  });

  it.each(['/native', '/left/native'])('%s is left to Nest', async (path) => {
    const app = await bench.start({ sse, controllers });
    const client = await bench.connect(app, path);
    await client.closed;
    expect(client.text).toContain('id: 1\ndata: x\n');
    expect(app.get(SseConnections).ended).toMatchObject({ complete: 0, client: 0 });
  });
});

it.each([
  [{ heartbeatInterval: '5s' }, '@SseOptions(): heartbeatInterval has to be a whole number'],
  [{ maxLifetime: 0 }, '@SseOptions(): maxLifetime has to be'],
  [{ retry: { min: 2, max: 1 } }, '@SseOptions(): retry has to be min no greater than max'],
  [{ maxConnections: 1 }, "received 'maxConnections'"],
])('%j is refused where it stands', (options, message) => {
  expect(() => SseOptions(options as object)).toThrow(
    expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining(message) }),
  );
});
