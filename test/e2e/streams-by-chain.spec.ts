import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, it } from '@jest/globals';
import {
  Controller,
  type INestApplication,
  Injectable,
  type MessageEvent,
  Param,
  Scope,
  Sse,
} from '@nestjs/common';
import {
  concatMap,
  defer,
  exhaustMap,
  from,
  map,
  merge,
  mergeMap,
  Observable,
  of,
  type OperatorFunction,
  Subject,
  switchMap,
  takeUntil,
} from 'rxjs';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { type Client, eachAdapter } from '../support/each-adapter.js';
import { until } from '../support/until.js';

type Open = () => Observable<MessageEvent>;

const FLATTENERS: Record<string, (open: Open) => OperatorFunction<unknown, MessageEvent>> = {
  switchMap: (open) => switchMap(open),
  mergeMap: (open) => mergeMap(open),
  concatMap: (open) => concatMap(open),
  exhaustMap: (open) => exhaustMap(open),
};

function flatten(name: string, open: Open): OperatorFunction<unknown, MessageEvent> {
  const operator = FLATTENERS[name];
  if (operator === undefined) throw new Error(`Nobody has put ${name} here`);
  return operator(open);
}

const users = new AsyncLocalStorage<string>();

/** Emits for whoever is there, in the async context of who comes: as an application-wide Subject does. */
const arrivals = new Subject<void>();

/** Looks up for several requests at once, and calls back in the context of the first: as a loader does. */
class Lookup {
  readonly #waiting: (() => void)[] = [];

  add(callback: () => void): void {
    this.#waiting.push(callback);
  }

  get size(): number {
    return this.#waiting.length;
  }

  answer(): void {
    for (const callback of this.#waiting.splice(0)) callback();
  }
}

let lookup = new Lookup();
let answerLookup = () => {};

@Injectable({ scope: Scope.REQUEST })
class RequestScoped {
  readonly news: Observable<MessageEvent>;

  constructor(bus: EventBus) {
    this.news = bus.stream('news');
  }
}

@Controller('scoped')
class ScopedRoutes {
  constructor(private readonly scoped: RequestScoped) {}

  @Sse()
  news(): Observable<MessageEvent> {
    return this.scoped.news.pipe(map((event) => event));
  }
}

@Controller()
class Routes {
  readonly #made: Observable<MessageEvent>;

  constructor(private readonly bus: EventBus) {
    this.#made = bus.stream('news');
  }

  @Sse('made')
  made(): Observable<MessageEvent> {
    return this.#made;
  }

  @Sse('made-mapped')
  madeMapped(): Observable<MessageEvent> {
    return this.#made.pipe(map(({ data }) => ({ data: data as string })));
  }

  @Sse('defer')
  defer(): Observable<MessageEvent> {
    return defer(() => this.bus.stream('news'));
  }

  @Sse('later/:name')
  later(@Param('name') name: string): Observable<MessageEvent> {
    return from(Promise.resolve(0)).pipe(flatten(name, () => this.bus.stream('news')));
  }

  @Sse('arrivals/:name')
  arrivals(@Param('name') name: string): Observable<MessageEvent> {
    // What a client does when it comes, others hear of within its own request.
    const own = defer(() => {
      arrivals.next();
      return of();
    });
    return merge(arrivals.pipe(flatten(name, () => this.bus.stream('news'))), own);
  }

  @Sse('callback')
  callback(): Observable<MessageEvent> {
    return new Observable((subscriber) => {
      lookup.add(() => subscriber.add(this.bus.stream('news').subscribe(subscriber)));
      if (lookup.size === 1) answerLookup = AsyncLocalStorage.bind(() => lookup.answer());
    });
  }

  @Sse('who')
  who(): Observable<MessageEvent> {
    return new Observable((subscriber) => {
      const events = this.bus
        .stream('news')
        .pipe(map((event) => ({ ...event, data: String(users.getStore()) })));
      lookup.add(() => subscriber.add(events.subscribe(subscriber)));
      if (lookup.size === 1) answerLookup = AsyncLocalStorage.bind(() => lookup.answer());
    });
  }

  @Sse('until-logout')
  untilLogout(): Observable<MessageEvent> {
    return this.bus.stream('news').pipe(takeUntil(this.bus.stream('logout')));
  }
}

eachAdapter((bench) => {
  async function start() {
    lookup = new Lookup();
    const configure = (app: INestApplication) =>
      app.use((request: { url: string }, _: unknown, next: () => void) =>
        users.run(request.url, next),
      );
    const app = await bench.start({
      controllers: [Routes, ScopedRoutes],
      providers: [RequestScoped],
      configure,
    });
    return { app, bus: app.get(EventBus), connections: app.get(SseConnections) };
  }

  it.each([
    '/made',
    '/made-mapped',
    '/scoped',
    '/defer',
    '/until-logout',
    ...Object.keys(FLATTENERS).map((name) => `/later/${name}`),
  ])('resumes a stream whose events go to the client, wherever it was made: %s', async (path) => {
    const { app, bus } = await start();
    const missed = await bus.publish('news', { data: 'had' });
    await bus.publish('news', { data: 'missed' });
    const client = await bench.connect(app, path, { lastEventId: missed });
    expect((await client.next()).data).toBe('missed');
    const id = await bus.publish('news', { data: 'live' });
    expect(await client.next()).toMatchObject({ data: 'live', lastEventId: id });
    expect(app.get(SseConnections).list()[0]?.topics).toContain('news');
    expect(bench.logs.find('warn', '')).toEqual([]);
  });

  it.each(Object.keys(FLATTENERS))(
    'leaves a stream that opens while another client is served to its own client: %s',
    async (name) => {
      const { app, bus, connections } = await start();
      const one = await bench.connect(app, `/arrivals/${name}`);
      await until('it reads', () => connections.list()[0]?.topics.length === 1);
      const two = await bench.connect(app, `/arrivals/${name}`);
      await until('both read', () => connections.list().every(({ topics }) => topics.length === 1));
      two.close();
      await until('it is gone', () => connections.count === 1);
      const id = await bus.publish('news', { data: 'x' });
      expect(await one.next()).toMatchObject({ data: 'x', lastEventId: id });
    },
  );

  it('gives a stream that opens in the context of another request to the client it is for', async () => {
    const { app, bus, connections } = await start();
    const had = await bus.publish('news', { data: 'had' });
    await bus.publish('news', { data: 'missed' });
    const connecting = [bench.connect(app, '/callback')];
    await until('the first one waits', () => lookup.size === 1);
    connecting.push(bench.connect(app, '/callback', { lastEventId: had }));
    await until('both wait', () => lookup.size === 2);
    answerLookup();
    const [first, second] = (await Promise.all(connecting)) as [Client, Client];
    expect((await second.next()).data).toBe('missed');
    first.close();
    await until('it is gone', () => connections.count === 1);
    const id = await bus.publish('news', { data: 'live' });
    expect(await second.next()).toMatchObject({ data: 'live', lastEventId: id });
  });

  it('opens nothing for a client that has left meanwhile, and nothing on the one that is served', async () => {
    const { app, bus, connections } = await start();
    const connecting = bench.connect(app, '/callback');
    await until('the first one waits', () => lookup.size === 1);
    const leaving = bench.connect(app, '/callback');
    await until('both wait', () => lookup.size === 2);
    const { closed } = await leaving.then((client) => (client.close(), client));
    await closed;
    await until('one is gone', () => connections.count === 1);
    answerLookup();
    const first = await connecting;
    await until('it reads', () => connections.list()[0]?.topics.length === 1);
    const id = await bus.publish('news', { data: 'x' });
    expect(await first.next()).toMatchObject({ data: 'x', lastEventId: id });
  });

  it('runs operators in the context of their own request, in whichever the stream was opened', async () => {
    const { app, bus } = await start();
    const connecting = [bench.connect(app, '/who?one')];
    await until('the first one waits', () => lookup.size === 1);
    connecting.push(bench.connect(app, '/who?two'));
    await until('both wait', () => lookup.size === 2);
    answerLookup();
    const [one, two] = (await Promise.all(connecting)) as [Client, Client];
    await until('both read', () => one.lastEventId !== '' && two.lastEventId !== '');
    await bus.publish('news', { data: 'x' });
    expect((await one.next()).data).toBe('/who?one');
    expect((await two.next()).data).toBe('/who?two');
  });
});
