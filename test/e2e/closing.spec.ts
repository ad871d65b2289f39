import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import {
  type CanActivate,
  Controller,
  Get,
  type INestApplication,
  Injectable,
  type MessageEvent,
  type OnModuleInit,
  Sse,
  UseGuards,
} from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { Observable } from 'rxjs';
import { EventBus, SseConnections, type SseModuleOptions } from 'nestjs-event-stream';
import { connectSse, type SseTestClient } from 'nestjs-event-stream/testing';
import { Connections } from '../../src/delivery/connections.js';
import { CERTIFICATE } from '../support/certificate.js';
import { Bench } from '../support/each-adapter.js';
import { Relay } from '../support/relay.js';
import { elapse, until } from '../support/until.js';

let decisions: ((isIn: boolean) => void)[] = [];
let answers: (() => void)[] = [];

@Injectable()
class Undecided implements CanActivate {
  canActivate(): Promise<boolean> {
    return new Promise((resolve) => decisions.push(resolve));
  }
}

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Get('plain')
  async plain(): Promise<string> {
    await new Promise<void>((resolve) => answers.push(resolve));
    return 'plain';
  }

  @UseGuards(Undecided)
  @Sse('undecided')
  undecided(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }
}

@Injectable()
class Failing implements OnModuleInit {
  onModuleInit(): never {
    throw new Error('It cannot start');
  }
}

const TIMEOUT = 300;

const express = () => new ExpressAdapter();
// The types of the adapter know the options of one protocol at a time.
const fastify = (options: object) => () => new FastifyAdapter(options as { http2: true });

/** Of HTTP, by name: what makes the adapter, whether there is TLS, whether it is HTTP/2 that clients speak. */
const PROTOCOLS: [string, () => AbstractHttpAdapter, boolean, boolean][] = [
  ['Express', express, false, false],
  ['Express over TLS', express, true, false],
  ['Fastify', fastify({}), false, false],
  ['Fastify over TLS', fastify({ https: CERTIFICATE }), true, false],
  ['Fastify over HTTP/2', fastify({ http2: true }), false, true],
  ['Fastify over HTTP/2 and TLS', fastify({ http2: true, https: CERTIFICATE }), true, true],
  [
    'Fastify over HTTP/1.1 where there is HTTP/2 too',
    fastify({ http2: true, https: { ...CERTIFICATE, allowHTTP1: true } }),
    true,
    false,
  ],
];

describe.each(PROTOCOLS)('on %s', (_, adapter, isTls, isHttp2) => {
  let bench: Bench;
  let relays: Relay[];
  let sockets: Socket[];
  let sessions: ClientHttp2Session[];
  let clients: SseTestClient[];

  beforeEach(() => {
    bench = new Bench(adapter, isHttp2);
    [relays, sockets, sessions, clients] = [[], [], [], []];
  });

  afterEach(async () => {
    for (const decide of decisions) decide(false);
    for (const answer of answers) answer();
    [decisions, answers] = [[], []];
    for (const client of clients) client.close();
    for (const session of sessions) session.destroy();
    for (const socket of sockets) socket.destroy();
    for (const relay of relays) relay.close();
    await bench.stop();
  });

  async function start(sse: SseModuleOptions = {}) {
    const app = await bench.start({
      controllers: [Routes],
      sse: { drain: { timeout: TIMEOUT }, stallTimeout: false, ...sse },
      options: adapter === express && isTls ? { httpsOptions: CERTIFICATE } : {},
    });
    const { port } = (app.getHttpServer() as Server).address() as AddressInfo;
    const relay = await Relay.to(port);
    relays.push(relay);
    return { app, port, relay, bus: app.get(EventBus), connections: app.get(SseConnections) };
  }

  function urlOf({ port }: Pick<Relay, 'port'>): string {
    return `${isTls ? 'https' : 'http'}://127.0.0.1:${port}`;
  }

  async function connectBy(server: Pick<Relay, 'port'>, path = '/news'): Promise<SseTestClient> {
    const client = await connectSse(urlOf(server), path, {
      http2: isHttp2,
      tls: { rejectUnauthorized: false, ALPNProtocols: [isHttp2 ? 'h2' : 'http/1.1'] },
    });
    clients.push(client);
    return client;
  }

  /** Closes it, and checks that another could listen in its place. */
  async function close(app: INestApplication, port: number): Promise<void> {
    let isClosed = false;
    const closing = app.close().then(() => (isClosed = true));
    await Promise.race([closing, until('it is closed', () => isClosed, 2_500)]);
    const next = createServer();
    await once(next.listen(port, '127.0.0.1'), 'listening');
    next.close();
  }

  it('is not held up by clients that never end their sockets', async () => {
    const { app, port, relay, connections } = await start();
    const client = await connectBy(relay);
    await close(app, port);
    await client.closed;
    expect(connections.ended).toMatchObject({ drain: 1, client: 0 });
  });

  it('is not held up by them when it ends streams a few at a time', async () => {
    const { app, port, relay } = await start({ drain: { timeout: TIMEOUT, over: 100 } });
    await connectBy(relay);
    await connectBy(relay);
    await close(app, port);
  });

  it('is not held up by the socket of a stream that has ended before', async () => {
    const { app, port, relay, connections } = await start();
    const client = await connectBy(relay);
    connections.close();
    await until('no connection', () => connections.count === 0);
    await close(app, port);
    await client.closed;
  });

  it('is not held up by clients that read nothing', async () => {
    const { app, port, relay, bus, connections } = await start();
    await connectBy(relay);
    relay.pause();
    for (let n = 0; n < 64; n++) await bus.publish('news', { data: 'x'.repeat(262_144) });
    await until('it is behind', () => connections.list()[0]?.isBehind === true);
    await close(app, port);
    expect(connections.ended).toMatchObject({ drain: 1, client: 0 });
  });

  it('is not held up by clients that read nothing of a little', async () => {
    const { app, port, relay, bus } = await start();
    await connectBy(relay);
    relay.pause();
    await bus.publish('news', { data: 'x' });
    await close(app, port);
  });

  it('is not held up by clients that have ended their side only', async () => {
    const { app, port, relay } = await start();
    await connectBy(relay);
    relay.end();
    await close(app, port);
  });

  it('is not held up by a guard that does not decide', async () => {
    const { app, port, relay } = await start();
    connectBy(relay, '/undecided').catch(() => {});
    await until('a request', () => decisions.length === 1);
    await close(app, port);
  });

  it('waits for a guard that decides, and turns the client away', async () => {
    const { app, port, connections } = await start({ drain: { timeout: 4_000 } });
    const answer = connectBy({ port }, '/undecided');
    await until('a request', () => decisions.length === 1);
    const closing = close(app, port);
    await until('the drain', () => app.get(Connections).isDraining);
    decisions[0]?.(true);
    const client = await answer;
    expect(client.status).toBe(200);
    await client.closed;
    expect(client.retry).toBeGreaterThan(0);
    expect(connections.ended.refused).toBe(1);
    await closing;
  });

  it('waits for other requests', async () => {
    const { app, port, relay, connections } = await start({ drain: { timeout: 0 } });
    await connectBy(relay);
    const plain = connectBy({ port }, '/plain');
    await until('a request', () => answers.length === 1);
    const closing = close(app, port);
    await until('the drain', () => connections.count === 0);
    await elapse(200);
    answers[0]?.();
    const answer = await plain;
    await answer.closed;
    expect(answer.text).toBe('plain');
    await closing;
  });

  it('is not held up by sockets without a request', async () => {
    const { app, port } = await start();
    const spare = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    sockets.push(spare.on('error', () => {}));
    await once(spare, 'connect');
    if (isTls) {
      const ALPNProtocols = [isHttp2 ? 'h2' : 'http/1.1'];
      const secure = connectTls({ port, rejectUnauthorized: false, ALPNProtocols });
      sockets.push(secure.on('error', () => {}));
      await once(secure, 'secureConnect');
    }
    await close(app, port);
  });

  it('closes before it listens, and twice', async () => {
    const app = await bench.create({ controllers: [Routes] });
    await app.init();
    await Promise.all([app.close(), app.close()]);
    await app.close();
  });

  it('closes twice with clients, one time after the other', async () => {
    const { app, port, relay } = await start();
    await connectBy(relay);
    await close(app, port);
    await app.close();
  });

  it('closes when it could not start', async () => {
    const app = await bench.create({ controllers: [Routes], providers: [Failing] });
    await expect(app.listen(0, '127.0.0.1')).rejects.toThrow('cannot start');
    await app.close();
  });

  if (!isHttp2) return;

  it('waits for other requests in the session of a stream', async () => {
    const { app, port, relay, connections } = await start({ drain: { timeout: 0 } });
    const { session } = await openSession(relay);
    const plain = session.request({ ':path': '/plain' });
    await until('a request', () => answers.length === 1);
    const closing = close(app, port);
    await until('the drain', () => connections.count === 0);
    await elapse(200);
    answers[0]?.();
    let text = '';
    plain.on('data', (bytes: Buffer) => (text += bytes.toString()));
    await once(plain, 'end');
    expect(text).toBe('plain');
    await closing;
  });

  async function openSession(relay: Relay) {
    const session = connectHttp2(urlOf(relay), { rejectUnauthorized: false });
    sessions.push(session.on('error', () => {}));
    const stream = session.request({ ':path': '/news' });
    stream.on('error', () => {}).resume();
    await once(stream, 'response');
    return { session, stream };
  }

  it('is not held up by a session that has ended, of which the socket is still there', async () => {
    const { app, port, relay, connections } = await start();
    const { session, stream } = await openSession(relay);
    stream.close();
    session.close();
    await until('no connection', () => connections.count === 0);
    await close(app, port);
  });

  it('is not held up by a client that has said that it goes away', async () => {
    const { app, port, relay, connections } = await start();
    const { session } = await openSession(relay);
    session.goaway();
    await once(session, 'goaway');
    await close(app, port);
    expect(connections.ended).toMatchObject({ drain: 1, client: 0 });
  });

  it('is not held up by a session that the client has broken', async () => {
    const { app, port, relay, connections } = await start();
    const { session } = await openSession(relay);
    session.destroy(new Error('broken'), 2);
    await until('no connection', () => connections.count === 0);
    await close(app, port);
  });
});
