import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { type INestApplication, Logger } from '@nestjs/common';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import type { RedisBackplaneOptions } from 'nestjs-event-stream/redis';
import { connectSse, type SseTestClient } from 'nestjs-event-stream/testing';
import { LogLines } from '../support/log-lines.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { startInstance } from './support/instance.js';
import { Proxy } from './support/proxy.js';
import { RedisServer } from './support/redis-server.js';

describeWith(REDIS_SERVER, 'a client that is ahead of its instance', (path) => {
  let redis: RedisServer;
  let proxy: Proxy;
  let logs = 0;
  let key: string;
  let apps: INestApplication[];
  let clients: SseTestClient[];

  beforeAll(async () => {
    redis = await RedisServer.start(path);
    proxy = await Proxy.start(redis.port);
  });

  afterAll(async () => {
    await proxy.stop();
    await redis.stop();
  });

  beforeEach(() => {
    key = `log-${++logs}`;
    apps = [];
    clients = [];
    Logger.overrideLogger(new LogLines());
  });

  afterEach(async () => {
    proxy.mend();
    for (const client of clients) client.close();
    await Promise.all(apps.map((app) => app.close()));
    Logger.overrideLogger(false);
  });

  async function start(
    options: RedisBackplaneOptions = {},
    openTimeout = 1_000,
  ): Promise<INestApplication> {
    const backplane = { url: redis.url, key, checkInterval: 50, ...options };
    const app = await startInstance(backplane, { heartbeatInterval: 30, openTimeout });
    apps.push(app);
    return app;
  }

  async function connect(app: INestApplication, lastEventId?: string): Promise<SseTestClient> {
    const client = await connectSse(app, '/topics/news', { lastEventId });
    clients.push(client);
    return client;
  }

  it('is answered 204 if its topic has ended there, also by an instance that has yet to read of it', async () => {
    const [late, other] = [await start({ url: proxy.url }), await start()];
    const bus = other.get(EventBus);
    await bus.publish('news', { data: 'one' });
    await until('both have it', () => headOf(late) === headOf(other));
    proxy.deafen('');
    const elsewhere = await connect(other);
    await bus.publish('news', { data: 'last' });
    await bus.complete('news');
    expect((await elsewhere.next()).data).toBe('last');
    await until('it has ended there', () => other.get(SseConnections).count === 0);
    const answer = connect(late, elsewhere.lastEventId);
    await until('it is there', () => late.get(SseConnections).count === 1);
    proxy.cut();
    proxy.mend();
    expect((await answer).status).toBe(204);
  });

  function headOf(app: INestApplication): string {
    return app.get(EventBus).head;
  }

  it('waits while that is still in the epoch before, and goes on without a gap and without a repeat', async () => {
    const [late, other] = [await start({ url: proxy.url }, 20), await start()];
    await other.get(EventBus).publish('news', { data: 'of the first log' });
    await until('both have it', () => headOf(late) === headOf(other));
    proxy.deafen('');
    const [first = ''] = headOf(other).split('.');
    await redis.control.flushall();
    await until('another log has begun', () => !headOf(other).startsWith(first));
    const elsewhere = await connect(other);
    await other.get(EventBus).publish('news', { data: 'one' });
    const { lastEventId } = await elsewhere.next();
    const client = await connect(late, lastEventId);
    await until('heartbeats arrive', () => client.comments >= 2);
    expect(headOf(late).startsWith(first)).toBe(true);
    expect(client.lastEventId).toBe(lastEventId);
    await other.get(EventBus).publish('news', { data: 'two' });
    proxy.cut();
    proxy.mend();
    expect(await client.next()).toMatchObject({ type: 'message', data: 'two' });
  });

  it.each([
    ['an epoch of the far future', () => 'ffffffffffffffff.1'],
    ['an offset that was never issued', (head: string) => `${head}000`],
  ])('and always will be, with %s, is told so within a bound, and goes on', async (_, cursor) => {
    const app = await start();
    const bus = app.get(EventBus);
    await bus.publish('news', { data: 'before' });
    await until('it has come back', () => headOf(app).endsWith('.1'));
    const requested = cursor(bus.head);
    const client = await connect(app, requested);
    const gap = (await client.next()).json();
    expect(gap).toEqual({ reason: 'unknown', requested, resumedAt: bus.head });
    await bus.publish('news', { data: 'after' });
    expect((await client.next()).data).toBe('after');
  });

  it('is told when Redis has lost its last events and nobody is left who knew of them', async () => {
    const knowing = await start();
    await knowing.get(EventBus).publish('news', { data: 'kept' });
    let cursor = '';
    await redis.takeBack([`{${key}}:meta`, `{${key}}:log`], async () => {
      cursor = await knowing.get(EventBus).publish('news', { data: 'lost' });
      await knowing.close();
    });
    const unknowing = await start();
    const client = await connect(unknowing, cursor);
    const resumedAt = headOf(unknowing);
    expect((await client.next()).json()).toEqual({
      reason: 'unknown',
      requested: cursor,
      resumedAt,
    });
  });
});
