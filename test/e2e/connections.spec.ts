import { expect, it } from '@jest/globals';
import { Controller, type MessageEvent, Param, Sse } from '@nestjs/common';
import { EMPTY, merge, type Observable, Subject, throwError } from 'rxjs';
import { EventBus, matching, SseConnections } from 'nestjs-event-stream';
import { eachAdapter } from '../support/each-adapter.js';
import { until } from '../support/until.js';

const own = new Subject<MessageEvent>();

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('users/:id')
  user(@Param('id') id: string): Observable<MessageEvent> {
    return merge(this.bus.stream(['news', `user.${id}`]), this.bus.stream(matching('all.*')));
  }

  @Sse('own')
  own(): Observable<MessageEvent> {
    return own;
  }

  @Sse('empty')
  empty(): Observable<MessageEvent> {
    return EMPTY;
  }

  @Sse('fails')
  fails(): Observable<MessageEvent> {
    return throwError(() => new Error('early'));
  }
}

eachAdapter((bench) => {
  async function start(sse = {}) {
    const app = await bench.start({ controllers: [Routes], sse: { openTimeout: 20, ...sse } });
    return { app, bus: app.get(EventBus), connections: app.get(SseConnections) };
  }

  it('lists what is open: route, address, topics, since when, bytes', async () => {
    const { app, bus, connections } = await start();
    const before = Date.now();
    const client = await bench.connect(app, '/users/7?token=secret');
    await bench.connect(app, '/own');
    await bus.publish('news', { data: 'x' });
    await client.next();
    expect(connections.count).toBe(2);
    const [first, second] = connections.list();
    expect(first).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f]{10}-1$/),
      owner: undefined,
      tags: [],
      route: 'GET /users/:id',
      path: '/users/7',
      remoteAddress: '127.0.0.1',
      topics: ['news', 'user.7', 'all.*'],
      isBehind: false,
    });
    expect(first?.since.getTime()).toBeGreaterThanOrEqual(before - 1);
    expect(first?.since.getTime()).toBeLessThanOrEqual(Date.now());
    expect(first?.bytes).toBe(Buffer.byteLength(client.text) - 1);
    expect(second).toMatchObject({
      id: expect.stringMatching(/-2$/),
      route: 'GET /own',
      topics: [],
    });
  });

  it('closes those that a predicate selects, after what they were to get', async () => {
    const { app, bus, connections } = await start();
    const [seven, eight] = [
      await bench.connect(app, '/users/7'),
      await bench.connect(app, '/users/8'),
    ];
    void bus.publish('news', { data: 'last' });
    await seven.next();
    expect(connections.close(({ topics }) => topics.includes('user.7'))).toBe(1);
    await seven.closed;
    expect(connections.close(() => false)).toBe(0);
    await bus.publish('user.8', { data: 'still there' });
    expect((await eight.take(2)).map(({ data }) => data)).toEqual(['last', 'still there']);
    expect(connections.close()).toBe(1);
    await eight.closed;
    expect(connections.count).toBe(0);
    expect(connections.ended.closed).toBe(2);
  });

  it('counts why connections ended, and says so at verbose level', async () => {
    const { app, connections } = await start();
    const client = await bench.connect(app, '/users/7');
    client.close();
    await until('client', () => connections.ended.client === 1);
    await (
      await bench.connect(app, '/empty')
    ).closed;
    await bench.connect(app, '/fails');
    await bench.connect(app, '/own');
    connections.close();
    await until('none', () => connections.count === 0);
    expect(connections.ended).toEqual({
      client: 1,
      complete: 1,
      error: 1,
      stalled: 0,
      overflow: 0,
      lifetime: 0,
      expired: 0,
      drain: 0,
      closed: 1,
      replaced: 0,
      refused: 0,
    });
    const lines = bench.logs.find('verbose', 'ended:');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(
      /^Connection [0-9a-f]{10}-1 \(GET \/users\/:id, 127\.0\.0\.1, \d+\.\d s, \d+ bytes\) ended: client/,
    );
    for (const [index, reason] of ['client', 'complete', 'error', 'closed'].entries()) {
      expect(lines[index]).toContain(`ended: ${reason}`);
    }
  });

  it('refuses a connection too many with 200, a long retry and the end, without asking the handler', async () => {
    const { app, bus, connections } = await start({
      maxConnections: 1,
      retry: { min: 100, max: 200 },
    });
    const first = await bench.connect(app, '/users/7');
    const second = await bench.connect(app, '/own');
    expect(second.status).toBe(200);
    expect(second.headers['content-type']).toMatch(/^text\/event-stream/);
    await second.closed;
    expect(own.observed).toBe(false);
    expect(second.retry).toBeGreaterThanOrEqual(1_000);
    expect(second.retry).toBeLessThanOrEqual(2_000);
    expect(second.text).not.toMatch(/^(id|data|event)/m);
    expect(connections.ended.refused).toBe(1);
    await bus.publish('news', { data: 'x' });
    await first.next();
    first.close();
    await until('room', () => connections.count === 0);
    const third = await bench.connect(app, '/users/7');
    await bus.publish('news', { data: 'y' });
    expect((await third.next()).data).toBe('y');
  });

  it('refuses the same way where no connection is allowed and retry is off', async () => {
    const { app } = await start({ maxConnections: 0, retry: false });
    const client = await bench.connect(app, '/users/7');
    await client.closed;
    expect(client.retry).toBeGreaterThanOrEqual(30_000);
  });

  it('ends a connection at maxLifetime; its client resumes', async () => {
    const { app, bus, connections } = await start({ maxLifetime: 100 });
    const client = await bench.connect(app, '/users/7');
    await client.closed;
    expect(connections.ended.lifetime).toBe(1);
    await bus.publish('news', { data: 'missed' });
    const again = await bench.connect(app, '/users/7', { lastEventId: client.lastEventId });
    expect((await again.next()).data).toBe('missed');
  });

  it('cuts off a client that takes nothing for stallTimeout while it is behind', async () => {
    const { app, bus, connections } = await start({ stallTimeout: 150 });
    const client = await bench.connect(app, '/users/7');
    client.pause();
    for (let n = 0; n < 64; n++) await bus.publish('news', { data: 'x'.repeat(262_144) });
    await until('it is cut off', () => connections.ended.stalled === 1);
    expect(connections.count).toBe(0);
    expect(bench.logs.find('verbose', 'ended: stalled')).toHaveLength(1);
    client.resume();
    await client.closed;
  });

  it('cuts off a client for whom more than maxBuffered waits of what cannot be paused', async () => {
    const { app, connections } = await start({ maxBuffered: 262_144 });
    const client = await bench.connect(app, '/own');
    client.pause();
    await until('a subscription', () => own.observed);
    await until('it is cut off', () => {
      own.next({ data: 'x'.repeat(1_048_576) });
      return connections.ended.overflow === 1;
    });
    expect(connections.count).toBe(0);
    expect(own.observed).toBe(false);
  });

  it('does not cut off a client that reads, however much is emitted at once', async () => {
    const { app, connections } = await start({ maxBuffered: 65_536, highWaterMark: 16_384 });
    const client = await bench.connect(app, '/own');
    await until('a subscription', () => own.observed);
    for (let n = 0; n < 40; n++) own.next({ data: `${n} ${'x'.repeat(1_000)}` });
    const received = await client.take(40);
    expect(received.map(({ data }) => parseInt(data))).toEqual([...Array(40).keys()]);
    expect(connections.count).toBe(1);
  });
});
