import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, it } from '@jest/globals';
import { Controller, type INestApplication, type MessageEvent, Param, Sse } from '@nestjs/common';
import { defer, from, interval, map, type Observable, switchMap, take } from 'rxjs';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { eachAdapter } from '../support/each-adapter.js';
import { until } from '../support/until.js';

const users = new AsyncLocalStorage<string>();

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('defer')
  defer(): Observable<MessageEvent> {
    return defer(() => this.bus.stream('news'));
  }

  @Sse('promise')
  promise(): Observable<MessageEvent> {
    return from(Promise.resolve(['news'])).pipe(switchMap((topics) => this.bus.stream(topics)));
  }

  @Sse('timer')
  timer(): Observable<MessageEvent> {
    return interval(5).pipe(
      take(1),
      switchMap(() => this.bus.stream('news')),
    );
  }

  @Sse('by-event/:id')
  byEvent(@Param('id') id: string): Observable<MessageEvent> {
    return this.bus.stream(`choice.${id}`).pipe(switchMap(() => this.bus.stream(`chosen.${id}`)));
  }

  @Sse('publishes')
  publishes(): Observable<MessageEvent> {
    void this.bus.publish('choice.7', { data: 'go' });
    return this.bus.stream('news');
  }

  @Sse('whose')
  whose(): Observable<MessageEvent> {
    return this.bus
      .stream('news')
      .pipe(map((event) => ({ ...event, data: String(users.getStore()) })));
  }
}

eachAdapter((bench) => {
  async function start() {
    const app = await bench.start({ controllers: [Routes] });
    return { app, bus: app.get(EventBus), connections: app.get(SseConnections) };
  }

  it.each(['/defer', '/promise', '/timer'])(
    'resumes a stream that is opened when the Observable is subscribed to, not before: %s',
    async (path) => {
      const { app, bus } = await start();
      const missed = bus.head;
      await bus.publish('news', { data: 'missed' });
      const client = await bench.connect(app, path, { lastEventId: missed });
      expect((await client.next()).data).toBe('missed');
      expect(client.lastEventId).toBe(bus.head);
    },
  );

  it('gives a stream that an event opens to the connection which the event passes', async () => {
    const { app, bus, connections } = await start();
    const seven = await bench.connect(app, '/by-event/7');
    await bus.publish('choice.7', { data: 'go' });
    await until(
      'it has switched',
      () => connections.list()[0]?.topics.includes('chosen.7') === true,
    );
    await bus.publish('chosen.7', { data: 'x' });
    expect((await seven.next()).data).toBe('x');
  });

  it('gives it to no other connection, not even to the one whose handler published the event', async () => {
    const { app, bus, connections } = await start();
    const seven = await bench.connect(app, '/by-event/7');
    const other = await bench.connect(app, '/publishes');
    await until('it has switched', () =>
      connections.list().some(({ topics }) => topics.includes('chosen.7')),
    );
    expect(connections.list().map(({ topics }) => topics)).toEqual([
      ['choice.7', 'chosen.7'],
      ['news'],
    ]);
    other.close();
    await until('gone', () => connections.count === 1);
    await bus.publish('chosen.7', { data: 'x' });
    expect((await seven.next()).data).toBe('x');
  });

  it('runs the operators of a stream in the context of its own request, not in that of the publisher', async () => {
    const configure = (app: INestApplication) =>
      app.use((request: { url: string }, _: unknown, next: () => void) =>
        users.run(request.url, next),
      );
    const app = await bench.start({ controllers: [Routes], configure });
    const client = await bench.connect(app, '/whose');
    await users.run('the publisher', () => app.get(EventBus).publish('news', { data: 'x' }));
    expect((await client.next()).data).toBe('/whose');
  });
});
