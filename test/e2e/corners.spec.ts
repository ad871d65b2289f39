import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, it } from '@jest/globals';
import { Controller, type INestApplication, type MessageEvent, Sse } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { delay, map, type Observable, share } from 'rxjs';
import { EventBus, SseConnections, SseModule } from 'nestjs-event-stream';
import { eachAdapter } from '../support/each-adapter.js';
import { until } from '../support/until.js';

@Controller()
class Routes {
  #shared: Observable<MessageEvent> | undefined;

  constructor(private readonly bus: EventBus) {}

  @Sse('shared')
  shared(): Observable<MessageEvent> {
    return (this.#shared ??= this.bus.stream('news').pipe(share()));
  }

  @Sse('throwing-id')
  throwingId(): Observable<MessageEvent> {
    return this.bus.stream('news').pipe(
      delay(1),
      map(({ data }) => ({
        data,
        get id(): string {
          throw new Error('No id');
        },
      })),
    );
  }

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }
}

eachAdapter((bench) => {
  it('ends a stream that outlives the connection it was opened for, and says so', async () => {
    const app = await bench.start({ controllers: [Routes] });
    const first = await bench.connect(app, '/shared');
    const second = await bench.connect(app, '/shared');
    const bus = app.get(EventBus);
    await until('two connections', () => app.get(SseConnections).count === 2);
    await bus.publish('news', { data: 'both' });
    await Promise.all([first.next(), second.next()]);
    first.close();
    // The second client is not left with a stream that nothing reaches any more: it comes back.
    await second.closed;
    expect(bench.logs.find('warn', 'outlived the connection')).toHaveLength(1);
    const again = await bench.connect(app, '/shared');
    await bus.publish('news', { data: 'again' });
    expect((await again.next()).data).toBe('again');
  });

  it('takes a message whose id throws as one without an id', async () => {
    const app = await bench.start({ controllers: [Routes] });
    const client = await bench.connect(app, '/throwing-id');
    await until('a stream', () => app.get(SseConnections).list()[0]?.topics.length === 1);
    await app.get(EventBus).publish('news', { data: 'lost to its own getter' });
    await until('it is logged', () => bench.logs.find('error', 'A message was dropped').length > 0);
    expect(app.get(SseConnections).count).toBe(1);
    client.close();
  });
});

const running: INestApplication[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(running.splice(0).map((app) => app.close()));
});

it('does not cut off a client that takes a large event slowly but steadily', async () => {
  const module = await Test.createTestingModule({
    imports: [SseModule.forRoot({ stallTimeout: 300, maxEventBytes: 32 * 1024 * 1024 })],
    controllers: [Routes],
  }).compile();
  const app = module.createNestApplication();
  await app.listen(0, '127.0.0.1');
  running.push(app);
  const socket = connect(Number(new URL(await app.getUrl()).port), '127.0.0.1');
  sockets.push(socket);
  socket.write('GET /news HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await once(socket, 'data');
  const size = 24 * 1024 * 1024;
  await app.get(EventBus).publish('news', { data: 'x'.repeat(size) });
  let taken = 0;
  const startedAt = performance.now();
  await new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk) => {
      taken += chunk.length;
      if (taken >= size) resolve();
      socket.pause();
      setTimeout(() => socket.resume(), 4);
    });
    socket.once('close', () => reject(new Error(`Cut off after ${taken} bytes`)));
  });
  expect(performance.now() - startedAt).toBeGreaterThan(600);
  expect(app.get(SseConnections).ended.stalled).toBe(0);
});
