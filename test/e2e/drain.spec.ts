import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { Controller, type INestApplication, type MessageEvent, Sse } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { EventBus, SseConnections, type SseModuleOptions } from 'nestjs-event-stream';
import { type Client, eachAdapter, urlOf } from '../support/each-adapter.js';
import { RawClient } from '../support/raw-client.js';
import { turns, until } from '../support/until.js';

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }
}

/** Nobody but the first leaves while a test runs, unless it is hurried. */
const AGES = { over: 600_000, timeout: 1_000 };
const SIGNAL = 'SIGUSR2';

eachAdapter((bench) => {
  let listeners: number;
  let sessions: ClientHttp2Session[];

  beforeEach(() => {
    listeners = process.listenerCount(SIGNAL);
    sessions = [];
  });

  afterEach(() => {
    for (const session of sessions) session.destroy();
    // Nobody is kept from ending the process, and nothing is kept of an application that is closed.
    expect(process.listenerCount(SIGNAL)).toBe(listeners);
  });

  async function start(drain: SseModuleOptions['drain'], sse: SseModuleOptions = {}) {
    const app = await bench.start({ controllers: [Routes], sse: { ...sse, drain } });
    return { app, bus: app.get(EventBus), connections: app.get(SseConnections) };
  }

  async function connect(app: INestApplication, count: number): Promise<Client[]> {
    return Promise.all(Array.from({ length: count }, () => bench.connect(app, '/news')));
  }

  /** Begins to close it, as at a signal; what it gives sends the same signal again. */
  function close(app: INestApplication) {
    const { close } = app as unknown as { close(signal: string): Promise<void> };
    const closing = close.call(app, SIGNAL);
    return { closing, hurry: () => process.emit(SIGNAL, SIGNAL) };
  }

  /** The clients whose response has ended, in the order in which it did. */
  function watchEnds(clients: readonly Client[]): Client[] {
    const ended: Client[] = [];
    for (const client of clients) void client.closed.then(() => ended.push(client));
    return ended;
  }

  it('ends streams one after the other, each with all it has, and has them come back in that order', async () => {
    const retry = { min: 1_000, max: 2_000 };
    const { app, bus, connections } = await start({ over: 500 }, { retry });
    const clients = await connect(app, 10);
    let published = 0;
    const endings: { retry: number | undefined; events: number[] }[] = [];
    connections.ended$.subscribe(() => {
      void bus.publish('news', { data: ++published });
    });
    const ended = watchEnds(clients);
    await app.close();
    await until('all have seen the end', () => ended.length === 10);
    for (const client of ended) {
      const events: number[] = [];
      // A response that was cut off would be an error that says so.
      await expect(
        (async () => {
          for (;;) events.push((await client.next()).json() as number);
        })(),
      ).rejects.toThrow('the response has ended');
      endings.push({ retry: client.retry, events });
    }
    expect(connections.ended).toMatchObject({ drain: 10, client: 0 });
    endings.sort((one, other) => (one.retry ?? 0) - (other.retry ?? 0));
    expect(endings.map((each) => each.retry)).toEqual(
      Array.from({ length: 10 }, (_, n) => 1_000 + 100 * n),
    );
    // Each got all that was published while it was there: after those who had gone before.
    for (const [gone, { events }] of endings.entries()) {
      expect(events).toEqual(Array.from({ length: events.length }, (_, n) => n + 1));
      expect(events.length).toBeLessThanOrEqual(gone);
    }
    expect(endings.at(-1)?.events.length).toBeGreaterThan(4);
  });

  it('turns newcomers away meanwhile, and goes on to serve those whose turn has yet to come', async () => {
    const { app, bus, connections } = await start(AGES);
    const clients = await connect(app, 3);
    const ended = watchEnds(clients);
    const { closing, hurry } = close(app);
    await until('the first wave', () => ended.length === 1);
    const late = await bench.connect(app, '/news');
    await late.closed;
    expect(late.status).toBe(200);
    expect(late.headers.connection).toBe(bench.isHttp2 ? undefined : 'close');
    expect(late.retry).toBeGreaterThanOrEqual(5_000);
    expect(late.retry).toBeLessThanOrEqual(10_000);
    expect(connections.ended).toMatchObject({ drain: 1, refused: 1 });
    await bus.publish('news', { data: 'still' });
    for (const client of clients.filter((each) => !ended.includes(each))) {
      expect((await client.next()).data).toBe('still');
    }
    hurry();
    await closing;
  });

  it('lets the rest go at once when the signal comes again', async () => {
    const { app, connections } = await start(AGES);
    const clients = await connect(app, 5);
    const { closing, hurry } = close(app);
    await until('the first wave', () => connections.ended.drain === 1);
    hurry();
    await closing;
    for (const client of clients) {
      await expect(client.next()).rejects.toThrow('the response has ended');
    }
    expect(connections.ended).toMatchObject({ drain: 5, client: 0 });
  });

  it('waits for no more waves when all clients have gone by themselves', async () => {
    const { app } = await start(AGES);
    const clients = await connect(app, 3);
    const closing = app.close();
    await turns();
    for (const client of clients) client.close();
    await closing;
  });

  it('takes no time when nobody is there', async () => {
    const { app } = await start(AGES);
    await app.close();
  });

  it('can be asked twice, and then ends each once', async () => {
    const { app, connections } = await start({ over: 200 });
    await connect(app, 4);
    await Promise.all([app.close(), app.close()]);
    expect(connections.ended).toMatchObject({ drain: 4, client: 0 });
  });

  it('leaves it to clients when they come back where the application does not say', async () => {
    const { app } = await start({ over: 100 }, { retry: false });
    const [client] = await connect(app, 1);
    await app.close();
    await client?.closed;
    expect(client?.retry).toBeUndefined();
  });

  it('lets a client that is behind read on when its turn has come', async () => {
    const { app, bus, connections } = await start({ over: 100, timeout: 20_000 });
    const [client] = await connect(app, 1);
    if (client === undefined) throw new Error('No client');
    client.pause();
    for (let n = 0; n < 64; n++) await bus.publish('news', { data: `${n} ${'x'.repeat(262_144)}` });
    await until('it is behind', () => connections.list()[0]?.isBehind === true);
    const closing = app.close();
    await turns();
    client.resume();
    const events = await client.take(64);
    expect(events.map(({ data }) => parseInt(data))).toEqual([...Array(64).keys()]);
    await closing;
    expect(connections.ended).toMatchObject({ drain: 1, client: 0 });
  }, 20_000);

  it('cuts off one that does not read', async () => {
    const { app, bus, connections } = await start(
      { over: 100, timeout: 100 },
      { stallTimeout: false },
    );
    const [client] = await connect(app, 1);
    client?.pause();
    for (let n = 0; n < 64; n++) await bus.publish('news', { data: 'x'.repeat(262_144) });
    await until('it is behind', () => connections.list()[0]?.isBehind === true);
    await app.close();
    expect(connections.ended).toMatchObject({ drain: 1, client: 0 });
  });

  if (bench.isHttp2) {
    it('has sessions take no more requests, and keep the streams that they have', async () => {
      const { app, bus, connections } = await start(AGES);
      const session = connectHttp2(urlOf(app));
      sessions.push(session);
      const stream = session.request({ ':path': '/news' });
      let text = '';
      stream.setEncoding('utf8').on('data', (more: string) => (text += more));
      await until('it is open', () => text.includes('id:'));
      await connect(app, 1);
      const told = once(session, 'goaway');
      const { closing, hurry } = close(app);
      const [code] = (await told) as [number];
      expect(code).toBe(0);
      expect(session.closed).toBe(true);
      await until('the first wave', () => connections.ended.drain === 1);
      if (!stream.readableEnded) {
        await bus.publish('news', { data: 'still' });
        await until('what was published meanwhile', () => stream.closed || text.includes('still'));
      }
      hurry();
      await closing;
      await until('the stream ends properly', () => stream.readableEnded);
      expect(stream.rstCode).toBe(0);
    });
    return;
  }

  it('closes the socket of a stream that it has ended, so that its client opens another', async () => {
    const { app } = await start(AGES);
    const clients = [1, 2].map(
      () => new RawClient(app, 'GET /news HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    );
    for (const client of clients) await client.has('id:');
    const { closing, hurry } = close(app);
    await until('the first wave', () => clients.some(({ isClosed }) => isClosed));
    expect(clients.map(({ isClosed }) => isClosed).toSorted()).toEqual([false, true]);
    expect(clients.find(({ isClosed }) => isClosed)?.responses[0]?.isComplete).toBe(true);
    hurry();
    await closing;
  });
});
