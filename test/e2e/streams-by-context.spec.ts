import { expect, it } from '@jest/globals';
import {
  type CallHandler,
  Controller,
  type ExecutionContext,
  type MessageEvent,
  type NestInterceptor,
  Sse,
  UseInterceptors,
} from '@nestjs/common';
import {
  finalize,
  from,
  map,
  merge,
  NEVER,
  Observable,
  of,
  ReplaySubject,
  share,
  Subject,
  switchMap,
  take,
} from 'rxjs';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { eachAdapter, onExpress, urlOf } from '../support/each-adapter.js';
import { turns, until } from '../support/until.js';

const STRAY = 'not tied to its connection';

/** What those heard who listen for themselves. */
let heard: unknown[] = [];
/** Of another application in the same process. */
let otherBus: EventBus | undefined;
let answer = () => {};
let ended = 0;

/** Does not hand on that it was unsubscribed from, and hands on by hand. */
class Dropping implements NestInterceptor {
  intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
    return new Observable((subscriber) => {
      next.handle().subscribe({
        next: (message) => subscriber.next(message),
        error: (error) => subscriber.error(error),
        complete: () => subscriber.complete(),
      });
    });
  }
}

@Controller()
class Routes {
  readonly #made: Observable<MessageEvent>;
  #kept: Observable<MessageEvent> | undefined;

  constructor(private readonly bus: EventBus) {
    this.#made = bus.stream('news').pipe(share());
  }

  @Sse('shared')
  shared(): Observable<MessageEvent> {
    return this.bus.stream('news').pipe(share());
  }

  @Sse('subject')
  subject(): Observable<MessageEvent> {
    const subject = new ReplaySubject<MessageEvent>();
    this.bus.stream('news').subscribe(subject);
    return subject;
  }

  @Sse('observer')
  observer(): Observable<MessageEvent> {
    return new Observable((subscriber) =>
      this.bus.stream('news').subscribe((event) => subscriber.next(event)),
    );
  }

  @Sse('generator')
  generator(): Observable<MessageEvent> {
    return from(this.#generate());
  }

  @Sse('switching')
  switching(): Observable<MessageEvent> {
    const choices = new Subject<unknown>();
    this.bus.stream('choice').subscribe(choices);
    return choices.pipe(switchMap(() => this.bus.stream('news')));
  }

  @Sse('dropping')
  @UseInterceptors(Dropping)
  dropping(): Observable<MessageEvent> {
    return this.bus.stream('news').pipe(finalize(() => ended++));
  }

  @Sse('side-first')
  sideFirst(): Observable<MessageEvent> {
    this.#listen();
    return this.bus.stream('news');
  }

  @Sse('side-last')
  sideLast(): Observable<MessageEvent> {
    return merge(this.bus.stream('news'), new Observable<never>(() => this.#listen()));
  }

  @Sse('side-early')
  async sideEarly(): Promise<Observable<MessageEvent>> {
    this.#listen();
    await new Promise<void>((resolve) => (answer = resolve));
    return this.bus.stream('news');
  }

  @Sse('side-only')
  sideOnly(): Observable<MessageEvent> {
    this.#listen();
    return merge(of({ data: 'hello' }), NEVER);
  }

  @Sse('side-and-shared')
  sideAndShared(): Observable<MessageEvent> {
    this.#listen();
    return this.#made;
  }

  @Sse('once')
  once(): Observable<MessageEvent> {
    return merge(this.bus.stream('news').pipe(take(1)), NEVER);
  }

  @Sse('made')
  made(): Observable<MessageEvent> {
    return this.#made;
  }

  @Sse('made-copied')
  madeCopied(): Observable<MessageEvent> {
    return this.#made.pipe(map((event) => ({ ...event })));
  }

  @Sse('made-and-own')
  madeAndOwn(): Observable<MessageEvent> {
    return merge(this.#made, this.bus.stream('more'));
  }

  @Sse('kept')
  kept(): Observable<MessageEvent> {
    return (this.#kept ??= this.bus.stream('news').pipe(share()));
  }

  @Sse('of-another')
  ofAnother(): Observable<MessageEvent> {
    return otherBus?.stream('news') ?? NEVER;
  }

  #listen() {
    return this.bus.stream('audit').subscribe(({ data }) => heard.push(data));
  }

  async *#generate(): AsyncGenerator<MessageEvent> {
    const events: MessageEvent[] = [];
    let wake = () => {};
    const subscription = this.bus.stream('news').subscribe({
      next: (event) => {
        events.push(event);
        wake();
      },
      complete: () => wake(),
    });
    while (!subscription.closed) {
      yield* events.splice(0);
      await new Promise<void>((resolve) => (wake = resolve));
    }
  }
}

eachAdapter((bench) => {
  async function start(sse = {}) {
    heard = [];
    const app = await bench.start({ controllers: [Routes], sse: { openTimeout: 20, ...sse } });
    return { app, bus: app.get(EventBus), connections: app.get(SseConnections) };
  }

  it.each(['/shared', '/subject', '/observer', '/generator', '/dropping'])(
    'resumes a stream that the handler opens, though nobody sees where its events go: %s',
    async (path) => {
      const { app, bus, connections } = await start();
      const had = await bus.publish('news', { data: 'had' });
      const missed = await bus.publish('news', { data: 'missed' });
      const client = await bench.connect(app, path, { lastEventId: had });
      expect(await client.next()).toMatchObject({ data: 'missed', lastEventId: missed });
      const live = await bus.publish('news', { data: 'live' });
      expect(await client.next()).toMatchObject({ data: 'live', lastEventId: live });
      client.close();
      await until('it is gone', () => connections.count === 0);
      expect(bench.logs.find('warn', STRAY)).toEqual([]);
    },
  );

  it('ends a stream that an interceptor keeps when its client leaves, and says why once', async () => {
    const { app, connections } = await start();
    ended = 0;
    for (const count of [1, 2, 3]) {
      const client = await bench.connect(app, '/dropping');
      await until('it reads', () => client.lastEventId !== '');
      client.close();
      await until('it is gone', () => connections.count === 0);
      await until('its stream has ended', () => ended === count);
    }
    const [warning, ...more] = bench.logs.find('warn', '');
    expect(warning).toContain(
      'an interceptor perhaps, does not hand on that it was unsubscribed from',
    );
    expect(more).toEqual([]);
  });

  it('lets such a stream open others whose events are seen to go to the client', async () => {
    const { app, bus, connections } = await start();
    const client = await bench.connect(app, '/switching');
    await until('it chooses', () => connections.list()[0]?.topics.includes('choice') === true);
    await bus.publish('choice', { data: 1 });
    await until('it has chosen', () => connections.list()[0]?.topics.join() === 'news');
    await bus.publish('choice', { data: 2 });
    await turns();
    const id = await bus.publish('news', { data: 'x' });
    expect(await client.next()).toMatchObject({ data: 'x', lastEventId: id });
  });

  it.each(['/side-first', '/side-last', '/side-early'])(
    'keeps what a handler listens to for itself away from the ids of what it returns: %s',
    async (path) => {
      const { app, bus, connections } = await start();
      const had = await bus.publish('news', { data: 'had' });
      await bus.publish('news', { data: 'missed' });
      await bus.publish('audit', { data: 'before' });
      const connecting = bench.connect(app, path, { lastEventId: had });
      if (path === '/side-early') {
        await until('it listens', () => connections.list()[0]?.topics.join() === 'audit');
        await turns();
        answer();
      }
      const client = await connecting;
      expect((await client.next()).data).toBe('missed');
      await bus.publish('audit', { data: 'ann' });
      const id = await bus.publish('news', { data: 'live' });
      expect(await client.next()).toMatchObject({ data: 'live', lastEventId: id });
      await until('it is heard', () => heard.includes('ann'));
      expect(heard.filter((data) => data === 'ann')).toHaveLength(1);
      client.close();
      const again = await bench.connect(app, path, { lastEventId: id });
      if (path === '/side-early') {
        await until('it listens', () => connections.list().at(-1)?.topics.join() === 'audit');
        answer();
      }
      await bus.publish('news', { data: 'next' });
      expect((await again.next()).data).toBe('next');
      expect(bench.logs.find('warn', '')).toEqual([]);
    },
  );

  it('does not move the id of a client by what a handler listens to for itself', async () => {
    const { app, bus } = await start({ heartbeatInterval: 20 });
    const id = await bus.publish('news', { data: 1 });
    const client = await bench.connect(app, '/side-only', { lastEventId: id });
    expect((await client.next()).data).toBe('hello');
    await bus.publish('news', { data: 2 });
    const { comments } = client;
    await until('two heartbeats', () => client.comments > comments + 1);
    expect(client.lastEventId).toBe(id);
  });

  it('does not move the id of a client whose streams are gone', async () => {
    const { app, bus } = await start({ heartbeatInterval: 20 });
    const client = await bench.connect(app, '/once');
    await until('it reads', () => client.lastEventId !== '');
    const id = await bus.publish('news', { data: 1 });
    await client.next();
    await bus.publish('news', { data: 2 });
    const { comments } = client;
    await until('two heartbeats', () => client.comments > comments + 1);
    expect(client.lastEventId).toBe(id);
    const again = await bench.connect(app, '/once', { lastEventId: id });
    expect((await again.next()).data).toBe('2');
  });

  it.each(['/made', '/made-copied', '/side-and-shared'])(
    'sends no id that would be ignored when it comes back, and says so once: %s',
    async (path) => {
      const { app, bus, connections } = await start();
      const clients = [await bench.connect(app, path), await bench.connect(app, path)];
      await until('both are there', () => connections.count === 2);
      await turns();
      for (const data of ['one', 'two']) {
        await bus.publish('news', { data });
        for (const client of clients) expect((await client.next()).data).toBe(data);
      }
      const ids = clients.map(({ text }) => /^id:.*\.[1-9]/m.exec(text)?.[0]);
      expect(ids).toEqual([undefined, undefined]);
      expect(bench.logs.find('warn', STRAY)).toHaveLength(1);
      clients[0]?.close();
      await until('one is gone', () => connections.count === 1);
      await bus.publish('news', { data: 'three' });
      expect((await clients[1]?.next())?.data).toBe('three');
    },
  );

  it('says so when a stream that clients share comes beside one of their own', async () => {
    const { app, bus, connections } = await start();
    const client = await bench.connect(app, '/made-and-own');
    await until('it reads', () => connections.list()[0]?.topics.join() === 'more');
    await turns();
    await bus.publish('news', { data: 'shared' });
    expect((await client.next()).data).toBe('shared');
    const id = await bus.publish('more', { data: 'own' });
    expect(await client.next()).toMatchObject({ data: 'own', lastEventId: id });
    expect(bench.logs.find('warn', STRAY)).toHaveLength(1);
  });

  it('sends no ids of another application in the same process', async () => {
    const { app } = await start();
    const other = await bench.start({});
    const bus = other.get(EventBus);
    otherBus = bus;
    const client = await bench.connect(app, '/of-another');
    await until('it is there', () => app.get(SseConnections).count === 1);
    await turns();
    await bus.publish('news', { data: 'x' });
    expect((await client.next()).data).toBe('x');
    expect(client.lastEventId).toBe('');
    otherBus = undefined;
  });
});

const bench = onExpress();

it('does not leave a stream that clients share to a HEAD request that came first', async () => {
  const app = await bench.start({ controllers: [Routes] });
  const { status } = await fetch(`${urlOf(app)}/kept`, { method: 'HEAD' });
  expect(status).toBe(200);
  const client = await bench.connect(app, '/kept');
  await until('it is there', () => app.get(SseConnections).count === 1);
  await turns();
  await app.get(EventBus).publish('news', { data: 'x' });
  expect((await client.next()).data).toBe('x');
});
