import { expect, it } from '@jest/globals';
import type { EventEmitter } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect, constants } from 'node:http2';
import { Controller, type INestApplication, type MessageEvent, Sse } from '@nestjs/common';
import { EMPTY, Observable } from 'rxjs';
import { EventBus, matching, SseConnections } from 'nestjs-event-stream';
import { Log } from '../../src/log/log.js';
import { type Bench, eachAdapter, urlOf } from '../support/each-adapter.js';
import { turns, until } from '../support/until.js';

const ROUNDS = 4;

let active = 0;
let subscribed = 0;
let called = 0;
let releaseHandlers: () => void = () => {};

const counted = new Observable<MessageEvent>((subscriber) => {
  active++;
  subscribed++;
  subscriber.next({ data: 'here' });
  return () => active--;
});

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('own')
  own(): Observable<MessageEvent> {
    return counted;
  }

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream(['news', `user.${called++}`]);
  }

  @Sse('matching')
  matching(): Observable<MessageEvent> {
    return this.bus.stream(matching('a.*'));
  }

  @Sse('late')
  async late(): Promise<Observable<MessageEvent>> {
    called++;
    await new Promise<void>((resolve) => (releaseHandlers = resolve));
    return counted;
  }

  @Sse('empty')
  empty(): Observable<MessageEvent> {
    return EMPTY;
  }
}

/** Everything that could be left behind, counted. */
function census(app: INestApplication) {
  const server = app.getHttpServer() as EventEmitter;
  const resources: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) {
    // Of the test itself, and of what Node keeps for as long as it likes.
    if (/^(Timeout|Immediate|TTYWrap|PipeWrap|MessagePort|CloseReq|FSReq)/.test(name)) continue;
    resources[name] = (resources[name] ?? 0) + 1;
  }
  return {
    active,
    connections: app.get(SseConnections).count,
    topics: app.get(Log).topicCount,
    intervals: intervals.size,
    resources,
    listeners: Object.fromEntries(
      server.eventNames().map((name) => [String(name), server.listenerCount(name)]),
    ),
  };
}

/** Intervals that run, those of Nest included. */
const intervals = new Set<unknown>();
const [begin, end] = [globalThis.setInterval, globalThis.clearInterval];
globalThis.setInterval = (...args: Parameters<typeof begin>) => {
  const interval = begin(...args);
  intervals.add(interval);
  return interval;
};
globalThis.clearInterval = (interval: Parameters<typeof end>[0]) => {
  intervals.delete(interval);
  end(interval);
};

/** Sends a request and gives the way to drop it, before there is an answer. */
function request(bench: Bench, app: INestApplication, path: string): () => void {
  if (bench.isHttp2) {
    const session = connect(urlOf(app));
    session.on('error', () => {});
    const stream = session.request({ ':path': path });
    stream.on('error', () => {});
    return () => {
      stream.close(constants.NGHTTP2_CANCEL);
      session.close();
    };
  }
  const outgoing = get(new URL(path, urlOf(app)), { agent: false });
  outgoing.on('error', () => {});
  return () => outgoing.destroy();
}

eachAdapter((bench) => {
  async function start(sse = {}) {
    const app = await bench.start({ controllers: [Routes], sse });
    const connections = app.get(SseConnections);
    // What is made once, for the first connection, is no leak.
    for (const path of ['/own', '/news', '/matching']) {
      const client = await bench.connect(app, path);
      client.close();
    }
    await until('none', () => connections.count === 0);
    await until('no socket', () => !process.getActiveResourcesInfo().includes('TCPSocketWrap'));
    active = subscribed = called = 0;
    return { app, connections };
  }

  /** Waits until what remains is what was there before; shows the difference if it does not come to that. */
  async function expectSame(app: INestApplication, before: ReturnType<typeof census>) {
    await until('the same as before', () => {
      return JSON.stringify(census(app)) === JSON.stringify(before);
    }).catch(() => expect(census(app)).toEqual(before));
  }

  it('leaves nothing after 200 connects and disconnects', async () => {
    const { app, connections } = await start();
    await until('quiet', () => intervals.size === 0);
    const before = census(app);
    expect(before).toMatchObject({ active: 0, connections: 0, intervals: 0 });
    for (let round = 0; round < ROUNDS; round++) {
      const paths = [...Array(50).keys()].map((n) => ['/own', '/news', '/matching'][n % 3] ?? '');
      const clients = await Promise.all(paths.map((path) => bench.connect(app, path)));
      if (round === 0) {
        expect(connections.count).toBe(50);
        expect(intervals.size).toBeGreaterThan(0);
      }
      for (const client of clients) client.close();
    }
    await until('none', () => connections.count === 0);
    expect(connections.ended.client).toBe(ROUNDS * 50 + 3);
    expect(subscribed).toBe(ROUNDS * 17);
    await expectSame(app, before);
  });

  it('ends the one subscription of a tab, and leaves that of the other', async () => {
    const { app, connections } = await start();
    const [one, two] = [await bench.connect(app, '/own'), await bench.connect(app, '/own')];
    expect(active).toBe(2);
    one.close();
    await until('one', () => active === 1);
    await two.next();
    expect(connections.count).toBe(1);
    two.close();
    await until('none', () => active === 0 && connections.count === 0);
  });

  it('never subscribes what a handler returns after its client has left', async () => {
    const { app, connections } = await start({ openTimeout: 60_000 });
    const before = census(app);
    const drop = request(bench, app, '/late');
    await until('the handler is called', () => called === 1);
    expect(connections.count).toBe(1);
    drop();
    await until('it is noticed', () => connections.count === 0);
    releaseHandlers();
    await turns(5);
    expect(subscribed).toBe(0);
    expect(connections.ended).toMatchObject({ client: 4, complete: 0, error: 0 });
    await expectSame(app, before);
    expect(bench.logs.find('error', '')).toEqual([]);
  });

  it('leaves nothing on a connection that is used 50 times', async () => {
    const { app } = await start();
    const server = app.getHttpServer() as EventEmitter;
    const seen: EventEmitter[] = [];
    server.on(bench.isHttp2 ? 'session' : 'connection', (one: EventEmitter) => seen.push(one));
    const count = () =>
      seen.map((one) => one.eventNames().map((name) => [String(name), one.listenerCount(name)]));
    const ask = bench.isHttp2 ? askHttp2(app) : askKeepAlive(app);
    await ask.once();
    await turns();
    const before = count();
    for (let n = 0; n < 50; n++) await ask.once();
    await turns();
    expect(seen).toHaveLength(1);
    expect(count()).toEqual(before);
    ask.end();
  });
});

interface Asking {
  once(): Promise<void>;
  end(): void;
}

function askKeepAlive(app: INestApplication): Asking {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    once: async () => {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        get(new URL('/empty', urlOf(app)), { agent }, resolve).on('error', reject);
      });
      await new Promise((resolve) => response.resume().once('end', resolve));
      await turns(1);
    },
    end: () => agent.destroy(),
  };
}

function askHttp2(app: INestApplication): Asking {
  const session = connect(urlOf(app));
  return {
    once: () =>
      new Promise((resolve) => {
        session.request({ ':path': '/empty' }).resume().once('close', resolve);
      }),
    end: () => session.close(),
  };
}
