import { afterEach, expect, it } from '@jest/globals';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { once } from 'node:events';
import {
  type BeforeApplicationShutdown,
  Controller,
  Get,
  type INestApplication,
  Injectable,
  type MessageEvent,
  type OnModuleDestroy,
  Sse,
} from '@nestjs/common';
import { NEVER, type Observable, Subject } from 'rxjs';
import {
  type Cursor,
  EventBus,
  type EventRecord,
  type LogSink,
  MemoryBackplane,
  SseConnections,
} from 'nestjs-event-stream';
import { type Client, eachAdapter, urlOf } from '../support/each-adapter.js';
import { RawClient } from '../support/raw-client.js';
import { elapse, turns, until } from '../support/until.js';

const own = new Subject<MessageEvent>();

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  /** So slow that a round of many readers is cut into slices. */
  @Sse('slow')
  slow(): Observable<MessageEvent> {
    return this.bus.stream('news', {
      where: () => {
        const end = performance.now() + 1;
        while (performance.now() < end);
        return true;
      },
    });
  }

  @Sse('own')
  own(): Observable<MessageEvent> {
    return own;
  }

  @Sse('quiet')
  quiet(): Observable<MessageEvent> {
    return NEVER;
  }

  @Sse('slow-handler')
  async slowHandler(): Promise<Observable<MessageEvent>> {
    await elapse(300);
    return this.bus.stream('news');
  }

  @Get('plain')
  plain(): string {
    return 'plain';
  }
}

/** Gives back what was published some turns later, as a broker does. */
class LateBackplane extends MemoryBackplane {
  /** Whether `publish` resolves before the event has come back. */
  isSoon = true;
  #last: Promise<unknown> = Promise.resolve();

  override async open(sink: LogSink): Promise<void> {
    await super.open(sink);
    this.#last = Promise.resolve();
  }

  override publish(record: EventRecord): Promise<Cursor> {
    const published = elapse(50).then(() => super.publish(record));
    this.#last = published.catch(() => {});
    return this.isSoon ? Promise.resolve('0.0') : published;
  }

  override async catchUp(): Promise<void> {
    await this.#last;
  }
}

/** Says goodbye when Nest calls its hooks. */
@Injectable()
class Farewell implements OnModuleDestroy, BeforeApplicationShutdown {
  constructor(private readonly bus: EventBus) {}

  async onModuleDestroy(): Promise<void> {
    await this.bus.publish('news', { type: 'goodbye', data: 'onModuleDestroy' });
  }

  beforeApplicationShutdown(): void {
    void this.bus.publish('news', { type: 'goodbye', data: 'beforeApplicationShutdown' });
  }
}

async function timeOf(work: Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work;
  return performance.now() - start;
}

eachAdapter((bench) => {
  async function start(sse = {}, providers: (typeof Farewell)[] = []) {
    const app = await bench.start({
      controllers: [Routes],
      providers,
      sse: { openTimeout: 10, ...sse },
    });
    return { app, bus: app.get(EventBus), connections: app.get(SseConnections) };
  }

  it('ends every open stream properly, in well under a second', async () => {
    const { app, bus, connections } = await start();
    const clients: Client[] = [];
    for (let n = 0; n < 20; n++) clients.push(await bench.connect(app, '/news'));
    clients.push(await bench.connect(app, '/quiet'), await bench.connect(app, '/own'));
    void bus.publish('news', { data: 'last' });
    expect(await timeOf(app.close())).toBeLessThan(900);
    for (const client of clients.slice(0, 20)) expect((await client.next()).data).toBe('last');
    // A response that was cut off instead of ended would be an error of its client.
    for (const client of clients) {
      await expect(client.next()).rejects.toThrow('the response has ended');
    }
    expect(connections.ended.drain).toBe(22);
    expect(connections.count).toBe(0);
    expect(own.observed).toBe(false);
  });

  it('still delivers what other modules publish in their shutdown hooks', async () => {
    const { app } = await start({}, [Farewell]);
    const client = await bench.connect(app, '/news');
    await app.close();
    const goodbyes = await client.take(2);
    expect(goodbyes.map(({ data }) => data)).toEqual([
      'onModuleDestroy',
      'beforeApplicationShutdown',
    ]);
    await client.closed;
  });

  it('still delivers it to so many clients that they are read for in several turns', async () => {
    const { app } = await start({}, [Farewell]);
    const clients = await Promise.all(
      Array.from({ length: 60 }, () => bench.connect(app, '/slow')),
    );
    await app.close();
    for (const client of clients) expect((await client.take(2)).at(-1)?.type).toBe('goodbye');
  }, 20_000);

  it.each([true, false])(
    'still delivers what a backplane gives back later (acknowledged before: %s)',
    async (isSoon) => {
      const backplane = new LateBackplane();
      backplane.isSoon = isSoon;
      const { app } = await start({ backplane }, [Farewell]);
      const client = await bench.connect(app, '/news');
      await app.close();
      expect((await client.take(2)).at(-1)?.data).toBe('beforeApplicationShutdown');
      await client.closed;
    },
  );

  it('is held up no longer than drain.timeout by a backplane that gives back nothing', async () => {
    const backplane = new LateBackplane();
    backplane.catchUp = () => new Promise(() => {});
    const { app, connections } = await start({ backplane, drain: { timeout: 200 } });
    const client = await bench.connect(app, '/news');
    await app.close();
    await expect(client.next()).rejects.toThrow('the response has ended');
    expect(connections.ended.drain).toBe(1);
  });

  it('lets a client that is behind read on to the end', async () => {
    const { app, bus, connections } = await start({ drain: { timeout: 20_000 } }, [Farewell]);
    const client = await bench.connect(app, '/news');
    client.pause();
    for (let n = 0; n < 64; n++) await bus.publish('news', { data: `${n} ${'x'.repeat(262_144)}` });
    await until('it is behind', () => connections.list()[0]?.isBehind === true);
    const closing = app.close();
    await turns();
    client.resume();
    const events = await client.take(66);
    expect(events.slice(0, 64).map(({ data }) => parseInt(data))).toEqual([...Array(64).keys()]);
    expect(events.at(-1)?.type).toBe('goodbye');
    await closing;
    expect(connections.ended).toMatchObject({ drain: 1, client: 0 });
  }, 20_000);

  it('is not held up by a client that has just left', async () => {
    const { app, bus } = await start();
    const [one, two] = [await bench.connect(app, '/news'), await bench.connect(app, '/news')];
    void bus.publish('news', { data: 1 });
    await one.next();
    one.close();
    void bus.publish('news', { data: 2 });
    two.close();
    expect(await timeOf(app.close())).toBeLessThan(900);
  });

  it('is not held up by a client whose stream ended before', async () => {
    const { app, connections } = await start();
    const client = await bench.connect(app, '/news');
    connections.close();
    await client.closed;
    expect(await timeOf(app.close())).toBeLessThan(900);
  });

  it('is not held up by a handler that is still at work', async () => {
    const { app } = await start({ openTimeout: 5_000 });
    const client = bench.connect(app, '/slow-handler');
    await until('a connection', () => app.get(SseConnections).count === 1);
    expect(await timeOf(app.close())).toBeLessThan(900);
    const { status, closed } = await client;
    expect(status).toBe(200);
    await closed;
    await elapse(300);
    expect(bench.logs.find('error', '')).toEqual([]);
  });

  it('is held up no longer than drain.timeout by a client that does not read', async () => {
    const { app, bus, connections } = await start({ drain: { timeout: 300 }, stallTimeout: false });
    const client = await bench.connect(app, '/news');
    client.pause();
    for (let n = 0; n < 64; n++) await bus.publish('news', { data: 'x'.repeat(262_144) });
    await until('it is behind', () => connections.list()[0]?.isBehind === true);
    const time = await timeOf(app.close());
    expect(time).toBeGreaterThan(250);
    expect(time).toBeLessThan(1_200);
    expect(connections.ended.drain).toBe(1);
  });

  it('waits for a client that reads, though it is behind', async () => {
    const { app } = await start();
    const client = await bench.connect(app, '/own');
    client.pause();
    await until('a subscription', () => own.observed);
    for (let n = 0; n < 3; n++) own.next({ data: 'x'.repeat(300_000) });
    own.next({ data: 'end' });
    const closing = app.close();
    await turns();
    client.resume();
    await closing;
    const events = await client.take(4);
    expect(events.at(-1)?.data).toBe('end');
    await client.closed;
  });

  it('refuses those who come while it is closing, and has them come back soon enough for the next instance', async () => {
    const { app, connections } = await start({ drain: { timeout: 400 }, stallTimeout: false });
    const [held, other] = [await bench.connect(app, '/news'), await bench.connect(app, '/own')];
    held.pause();
    for (let n = 0; n < 64; n++) {
      await app.get(EventBus).publish('news', { data: 'x'.repeat(262_144) });
    }
    await until('it is behind', () => connections.list().some(({ isBehind }) => isBehind));
    const closing = app.close();
    await other.closed;
    const late = await bench.connect(app, '/news').catch(() => undefined);
    if (late !== undefined) {
      await late.closed;
      expect(late.status).toBe(200);
      expect(late.retry).toBeGreaterThanOrEqual(5_000);
      expect(late.retry).toBeLessThanOrEqual(10_000);
      expect(connections.ended.refused).toBe(1);
    }
    await closing;
  });

  it('can be asked twice', async () => {
    const { app } = await start();
    await bench.connect(app, '/news');
    await Promise.all([app.close(), app.close()]);
  });

  if (bench.isHttp2) return;

  const agent = new Agent({ keepAlive: true });
  afterEach(() => agent.destroy());

  function fetchAlive(app: INestApplication, path: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      get(new URL(path, urlOf(app)), { agent }, resolve).on('error', reject);
    });
  }

  it('is not held up by the idle connections of keep-alive agents', async () => {
    const { app } = await start();
    const streams = await Promise.all([1, 2, 3].map(() => fetchAlive(app, '/news')));
    const plain = await fetchAlive(app, '/plain');
    plain.resume();
    await new Promise((resolve) => plain.once('end', resolve));
    const ends = streams.map(
      (stream) => new Promise((resolve) => stream.resume().once('end', resolve)),
    );
    expect(await timeOf(app.close())).toBeLessThan(900);
    await Promise.all(ends);
  });

  it('is not held up by spare sockets that clients open, before or during the drain', async () => {
    const { app } = await start({ drain: { timeout: 400 }, stallTimeout: false });
    const held = await bench.connect(app, '/news');
    held.pause();
    for (let n = 0; n < 64; n++) {
      await app.get(EventBus).publish('news', { data: 'x'.repeat(262_144) });
    }
    const port = Number(new URL(urlOf(app)).port);
    const spare = () => {
      const socket = connect(port, '127.0.0.1').on('error', () => {});
      return { isOpen: once(socket, 'connect'), isClosed: once(socket, 'close') };
    };
    const before = spare();
    await before.isOpen;
    const closing = app.close();
    await turns();
    const during = spare();
    await during.isOpen;
    await closing;
    await Promise.all([before.isClosed, during.isClosed]);
  });

  it('is not held up by a socket that is used again after the drain', async () => {
    const { app } = await start({ drain: { timeout: 400 }, stallTimeout: false });
    const held = await bench.connect(app, '/news');
    held.pause();
    for (let n = 0; n < 64; n++) {
      await app.get(EventBus).publish('news', { data: 'x'.repeat(262_144) });
    }
    const url = urlOf(app);
    const closing = app.close();
    await turns();
    const late = new RawClient(url, 'GET /news HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await until('it is refused', () => late.isClosed);
    expect(late.responses[0]?.isComplete ?? true).toBe(true);
    await closing;
  });

  it('is not held up by half a request', async () => {
    const { app } = await start();
    const { port } = new URL(urlOf(app));
    const socket = connect(Number(port), '127.0.0.1');
    let text = '';
    socket.on('data', (bytes) => (text += bytes.toString()));
    socket.on('error', () => {});
    socket.write('GET /news HTTP/1.1\r\nHost: x\r\n\r\n');
    await until('the headers', () => text.includes('retry:'));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    expect(await timeOf(app.close())).toBeLessThan(900);
    await closed;
    expect(text.endsWith('\r\n0\r\n\r\n')).toBe(true);
  });
});
