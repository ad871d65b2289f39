import { expect, it, jest } from '@jest/globals';
import { Controller, type INestApplication, type MessageEvent, Sse } from '@nestjs/common';
import { Backplane, EventBus, SseConnections } from 'nestjs-event-stream';
import { from, map, merge, mergeMap, type Observable, of, Subject, switchMap, tap } from 'rxjs';
import { type Client, eachAdapter } from '../support/each-adapter.js';
import { turns, until } from '../support/until.js';

const BEGUN = { data: 'begun' };

@Controller()
class Routes {
  readonly begin = new Subject<void>();
  /** Called between the first two messages of an event and its third. */
  interrupt = () => {};

  constructor(
    private readonly bus: EventBus,
    private readonly connections: SseConnections,
  ) {}

  @Sse('plain')
  plain(): Observable<MessageEvent> {
    void this.#closeOnce();
    return this.bus.stream('news');
  }

  @Sse('operators')
  operators(): Observable<MessageEvent> {
    void this.#closeOnce();
    return this.bus.stream('news').pipe(map((event) => ({ ...event, type: 'mapped' })));
  }

  @Sse('snapshot')
  snapshot(): Observable<MessageEvent> {
    void this.#closeOnce();
    return this.bus.stream('news', { snapshot: () => [{ type: 'state', data: 'all' }] });
  }

  @Sse('completed')
  completed(): Observable<MessageEvent> {
    return merge(of(BEGUN), this.bus.stream('completed'));
  }

  @Sse('late')
  late(): Observable<MessageEvent> {
    return merge(of(BEGUN), this.begin.pipe(switchMap(() => this.bus.stream('news'))));
  }

  @Sse('kept')
  kept(): Observable<MessageEvent> {
    return this.bus.stream('kept');
  }

  @Sse('kept/begun')
  keptBegun(): Observable<MessageEvent> {
    return merge(of(BEGUN), this.bus.stream('kept'));
  }

  @Sse('kept/head')
  keptFromHead(): Observable<MessageEvent> {
    return this.bus.stream('kept', { from: this.bus.head });
  }

  @Sse('parts')
  parts(): Observable<MessageEvent> {
    const part = (event: MessageEvent) =>
      from(['1', '2', '3']).pipe(
        tap((data) => data === '3' && this.interrupt()),
        map((data) => ({ ...event, data })),
      );
    return this.bus.stream('news').pipe(mergeMap(part));
  }

  /** Closes the first connection as soon as it streams, which is before anything is read for it. */
  async #closeOnce(): Promise<void> {
    if (!this.bus.head.endsWith('.1')) return;
    const isStreaming = () => this.connections.list().some(({ topics }) => topics.length > 0);
    for (let turn = 0; turn < 10_000 && !isStreaming(); turn++) await Promise.resolve();
    expect(this.connections.close()).toBe(1);
    await this.bus.publish('news', { data: 'meanwhile' });
  }
}

eachAdapter((bench) => {
  /** The client comes back, as an EventSource does. */
  function comeBack(app: INestApplication, path: string, { lastEventId }: Client) {
    const headers = lastEventId === '' ? {} : { 'last-event-id': lastEventId };
    return bench.connect(app, path, { headers });
  }

  it.each([
    ['/plain', 'message'],
    ['/operators', 'mapped'],
  ])(
    'a client of %s whose connection ends before anything was read for it misses nothing that comes meanwhile',
    async (path, type) => {
      const app = await bench.start({ controllers: [Routes], sse: { retry: false } });
      const bus = app.get(EventBus);
      const begun = await bus.publish('news', { data: 'before' });
      const first = await bench.connect(app, path);
      await first.closed;
      expect(first.lastEventId).toBe(begun);
      const headers = { 'last-event-id': first.lastEventId };
      const again = await bench.connect(app, path, { headers });
      expect(await again.next()).toMatchObject({ type, data: 'meanwhile' });
    },
  );

  it('a client to which a snapshot is owed has no place, and gets the snapshot when it is back', async () => {
    const app = await bench.start({ controllers: [Routes], sse: { retry: false } });
    await app.get(EventBus).publish('news', { data: 'before' });
    const first = await bench.connect(app, '/snapshot');
    await first.closed;
    expect(first.lastEventId).toBe('');
    const again = await bench.connect(app, '/snapshot');
    expect(await again.next()).toMatchObject({ type: 'state', data: 'all' });
  });

  it('a stream that is over ends the connection also if something else was sent before', async () => {
    const app = await bench.start({ controllers: [Routes], sse: { retry: false } });
    await app.get(EventBus).complete('completed');
    const client = await bench.connect(app, '/completed');
    await client.closed;
    expect(await client.next()).toMatchObject(BEGUN);
    expect(app.get(SseConnections).ended).toMatchObject({ complete: 1 });
  });

  it('a client whose stream joined when the response was open, and was not read, misses nothing', async () => {
    const app = await bench.start({ controllers: [Routes], sse: { retry: false } });
    const client = await bench.connect(app, '/late');
    expect(await client.next()).toMatchObject(BEGUN);
    app.get(Routes).begin.next();
    app.get(SseConnections).close();
    await app.get(EventBus).publish('news', { data: 'meanwhile' });
    await client.closed;
    const again = await comeBack(app, '/late', client);
    await again.next();
    app.get(Routes).begin.next();
    expect(await again.next()).toMatchObject({ data: 'meanwhile' });
  });

  it('a client that is closed by who is told that it is open misses nothing', async () => {
    const app = await bench.start({ controllers: [Routes], sse: { retry: false } });
    await app.get(EventBus).publish('news', { data: 'before' });
    const connections = app.get(SseConnections);
    const closing = connections.opened$.subscribe(() => connections.close());
    const client = await bench.connect(app, '/parts');
    await client.closed;
    closing.unsubscribe();
    await app.get(EventBus).publish('news', { data: 'meanwhile' });
    const again = await comeBack(app, '/parts', client);
    expect(await again.next()).toMatchObject({ data: '1' });
  });

  it.each(['/kept', '/kept/begun', '/kept/head'])(
    'a client of %s that goes while the archive is asked whether its topic has ended misses nothing',
    async (path) => {
      const history = { maxEvents: 1, topics: [{ match: 'kept' }] };
      const sse = { retry: false, openTimeout: 1, history } as const;
      const app = await bench.start({ controllers: [Routes], sse });
      const bus = app.get(EventBus);
      await bus.publish('kept', { data: 'before' });
      for (const data of ['1', '2']) await bus.publish('other', { data });
      await turns();
      const { archive } = app.get(Backplane);
      if (archive === undefined) throw new Error('There is an archive where there are rules');
      const latest = jest.spyOn(archive, 'latest').mockReturnValue(new Promise(() => {}));
      const client = await bench.connect(app, path);
      await until('it has a place', () => client.lastEventId !== '');
      expect(latest).toHaveBeenCalledTimes(1);
      client.close();
      latest.mockRestore();
      await bus.publish('kept', { data: 'meanwhile' });
      const again = await comeBack(app, path, client);
      await until('it has all', () => again.text.includes('data: meanwhile'));
    },
  );

  it.each(['closed', 'error'])(
    'a client that ends (%s) between two messages of an event gets all of them again',
    async (reason) => {
      const app = await bench.start({ controllers: [Routes], sse: { retry: false } });
      const connections = app.get(SseConnections);
      const routes = app.get(Routes);
      routes.interrupt = () => {
        if (reason === 'error') throw new Error('It fails between two messages');
        connections.close();
      };
      const client = await bench.connect(app, '/parts');
      await until('it has a place', () => client.lastEventId !== '');
      const id = await app.get(EventBus).publish('news', { data: 'all' });
      await client.closed;
      expect(connections.ended).toMatchObject({ [reason]: 1 });
      routes.interrupt = () => {};
      const again = await comeBack(app, '/parts', client);
      const parts = await again.take(3);
      expect(parts.map(({ data }) => data)).toEqual(['1', '2', '3']);
      expect(again.lastEventId).toBe(id);
    },
  );
});
