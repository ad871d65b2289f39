// What docs/guide/beside.md says of what is between an application and its clients.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, type INestApplication, type MessageEvent, Sse } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { connectSse, type SseTestClient } from 'nestjs-event-stream/testing';
import { freePort } from '../redis/support/redis-server.js';
import { CERTIFICATE } from '../support/certificate.js';
import { onExpress } from '../support/each-adapter.js';
import { describeWith, NGINX } from '../support/programs.js';
import { elapse, until } from '../support/until.js';

@Controller()
class News {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }
}

const portOf = (app: INestApplication) =>
  ((app.getHttpServer() as Server).address() as AddressInfo).port;

describeWith(NGINX, 'HTTP/2 that ends at nginx', (path) => {
  const bench = onExpress();
  const clients: SseTestClient[] = [];
  let nginx: ChildProcess;
  let folder: string;

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    const closed = once(nginx, 'close');
    nginx.kill();
    await closed;
    rmSync(folder, { recursive: true, force: true });
  });

  async function start(upstream: number): Promise<string> {
    folder = mkdtempSync(join(tmpdir(), 'nginx-'));
    const port = await freePort();
    writeFileSync(join(folder, 'key.pem'), CERTIFICATE.key);
    writeFileSync(join(folder, 'cert.pem'), CERTIFICATE.cert);
    writeFileSync(join(folder, 'nginx.conf'), config(folder, port, upstream));
    nginx = spawn(path, ['-p', folder, '-c', 'nginx.conf', '-e', 'error.log'], { stdio: 'ignore' });
    const isUp = () =>
      new Promise<boolean>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => resolve(true));
        socket.once('connect', () => socket.destroy()).once('error', () => resolve(false));
      });
    await until('nginx listens', isUp);
    return `https://localhost:${port}`;
  }

  async function open(url: string, lastEventId?: string): Promise<SseTestClient> {
    const tls = { ca: CERTIFICATE.cert };
    const client = await connectSse(url, '/news', { tls, lastEventId });
    clients.push(client);
    return client;
  }

  it('has streams arrive as they are sent, resumed, and ended when their clients leave', async () => {
    const app = await bench.start(News);
    const bus = app.get(EventBus);
    const url = await start(portOf(app));
    const client = await open(url);
    expect(client.status).toBe(200);
    // nginx has this header for clients that speak HTTP/1.1.
    expect(client.headers.connection).toBeUndefined();
    await bus.publish('news', { data: 'one' });
    const { data, lastEventId } = await client.next();
    expect(data).toBe('one');
    client.close();
    await until('the application knows', () => app.get(SseConnections).count === 0);
    await bus.publish('news', { data: 'two' });
    expect((await (await open(url, lastEventId)).next()).data).toBe('two');
  });

  it('keeps a quiet stream whose heartbeats are more frequent than its timeout', async () => {
    const app = await bench.start({ controllers: [News], sse: { heartbeatInterval: 300 } });
    const quiet = await open(await start(portOf(app)));
    // Of `proxy_read_timeout`, one second here.
    await elapse(1_600);
    await app.get(EventBus).publish('news', { data: 'still there' });
    expect((await quiet.next()).data).toBe('still there');
    expect(app.get(SseConnections).ended.client).toBe(0);
  });
});

describe('a host that cuts at a time limit', () => {
  const bench = onExpress();
  const LIMIT = 600;
  let host: Server | undefined;
  let cuts = 0;

  afterEach(() => {
    host?.close();
  });

  /** Hands everything on, and destroys what is open longer than it allows. */
  async function start(upstream: number): Promise<string> {
    cuts = 0;
    host = createServer((socket: Socket) => {
      const inner = connect(upstream, '127.0.0.1');
      socket.pipe(inner).pipe(socket);
      const cut = setTimeout(() => {
        cuts++;
        socket.destroy();
      }, LIMIT);
      const end = () => {
        clearTimeout(cut);
        socket.destroy();
        inner.destroy();
      };
      for (const side of [socket, inner]) side.on('error', end).on('close', end);
    }).listen(0, '127.0.0.1');
    await once(host, 'listening');
    return `http://127.0.0.1:${(host.address() as AddressInfo).port}`;
  }

  it.each([
    ['cuts a response in the middle', false as const, 1, 'the connection broke'],
    [
      'is ahead of with maxLifetime: the response ends whole, and its client resumes',
      200,
      0,
      'the response has ended',
    ],
  ])('%s', async (_, maxLifetime, expected, told) => {
    const app = await bench.start({ controllers: [News], sse: { maxLifetime } });
    const bus = app.get(EventBus);
    const url = await start(portOf(app));
    const headers = { connection: 'close' };
    const client = await connectSse(url, '/news', { headers });
    await bus.publish('news', { data: 'one' });
    await client.next();
    await expect(client.next()).rejects.toThrow(told);
    expect(app.get(SseConnections).ended).toMatchObject(
      expected === 0 ? { lifetime: 1 } : { lifetime: 0 },
    );
    await bus.publish('news', { data: 'two' });
    const again = await connectSse(url, '/news', { headers, lastEventId: client.lastEventId });
    expect((await again.next()).data).toBe('two');
    again.close();
    expect(cuts).toBe(expected);
  });
});

function config(folder: string, port: number, upstream: number): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${join(folder, name)};`)
    .join('\n');
  return `
    daemon off;
    master_process off;
    pid ${join(folder, 'pid')};
    events {}
    http {
      access_log off;
      ${temporary}
      server {
        listen 127.0.0.1:${port} ssl http2;
        ssl_certificate cert.pem;
        ssl_certificate_key key.pem;
        location / {
          proxy_pass http://127.0.0.1:${upstream};
          proxy_http_version 1.1;
          proxy_set_header Connection '';
          proxy_read_timeout 1s;
        }
      }
    }`;
}
