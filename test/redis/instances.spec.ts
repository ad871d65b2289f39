import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { type INestApplication, Logger } from '@nestjs/common';
import { Backplane, EventBus, type SseModuleOptions } from 'nestjs-event-stream';
import { createPublisher } from 'nestjs-event-stream/publisher';
import { redisBackplane, type RedisBackplaneOptions } from 'nestjs-event-stream/redis';
import { connectSse, type SseTestClient } from 'nestjs-event-stream/testing';
import { Log } from '../../src/log/log.js';
import { LogLines } from '../support/log-lines.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { startInstance } from './support/instance.js';
import { Proxy } from './support/proxy.js';
import { RedisServer } from './support/redis-server.js';

describeWith(REDIS_SERVER, 'instances that share a Redis', (path) => {
  let redis: RedisServer;
  let proxy: Proxy;
  let logs = 0;
  let key: string;
  let apps: INestApplication[];

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
    Logger.overrideLogger(new LogLines());
  });

  afterEach(async () => {
    redis.resume();
    proxy.mend();
    await Promise.all(apps.map((app) => app.close()));
    Logger.overrideLogger(false);
  });

  async function start(
    backplane: RedisBackplaneOptions = {},
    options?: SseModuleOptions,
  ): Promise<INestApplication> {
    const app = await startInstance({ url: redis.url, key, ...backplane }, options);
    apps.push(app);
    return app;
  }

  async function commands(): Promise<Map<string, number>> {
    const info = await redis.control.info('commandstats');
    return new Map(
      [...info.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)].map(([, name, calls]) => [
        String(name),
        Number(calls),
      ]),
    );
  }

  it('deliver the same events in the same order', async () => {
    const [one, two] = [await start(), await start()];
    const clients = await Promise.all([one, two].map((app) => connectSse(app, '/topics/news')));
    const published = Array.from({ length: 100 }, (_, index) => {
      const bus = (index % 2 === 0 ? one : two).get(EventBus);
      return bus.publish('news', { type: 'n', data: { index } });
    });
    const cursors = new Set(await Promise.all(published));
    const received = await Promise.all(clients.map((client) => client.take(100)));
    const [first, second] = received.map((events) =>
      events.map(({ lastEventId, data }) => `${lastEventId} ${data}`),
    );
    expect(first).toEqual(second);
    expect(cursors.size).toBe(100);
    for (const client of clients) client.close();
  });

  it('let a client that reconnects to another one go on as if nothing had happened', async () => {
    const [one, two] = [await start(), await start()];
    const client = await connectSse(one, '/topics/news');
    await one.get(EventBus).publish('news', { data: 'first' });
    const { lastEventId } = await client.next();
    client.close();
    await two.get(EventBus).publish('news', { data: 'second' });
    await one.get(EventBus).publish('news', { data: 'third' });
    const again = await connectSse(two, '/topics/news', { lastEventId });
    expect((await again.take(2)).map(({ data }) => data)).toEqual(['second', 'third']);
    again.close();
  });

  it('give the events from before its start to a client of a new one', async () => {
    const one = await start();
    const cursor = await one.get(EventBus).publish('news', { data: 'first' });
    await one.get(EventBus).publish('news', { data: { second: true }, key: 'k' });
    const two = await start();
    const client = await connectSse(two, '/topics/news', { lastEventId: cursor });
    expect((await client.next()).json()).toEqual({ second: true });
    client.close();
  });

  it('tell their clients of a gap when Redis has forgotten the log, and go on', async () => {
    const [one, two] = [await start({ checkInterval: 100 }), await start({ checkInterval: 100 })];
    const clients = await Promise.all([one, two].map((app) => connectSse(app, '/topics/news')));
    await one.get(EventBus).publish('news', { data: 'before' });
    await Promise.all(clients.map((client) => client.next()));
    await redis.control.flushall();
    for (const client of clients) {
      expect((await client.next('gap')).json()).toMatchObject({ reason: 'epoch' });
    }
    await two.get(EventBus).publish('news', { data: 'after' });
    for (const client of clients) expect((await client.next()).data).toBe('after');
    for (const client of clients) client.close();
  });

  it('tell them of one when a failover has replaced what they have, and more was published than any tail holds', async () => {
    const history = { maxEvents: 50, topics: [{ match: 'news' }] };
    const app = await start({ url: proxy.url, checkInterval: 100 }, { history });
    const bus = app.get(EventBus);
    const client = await connectSse(app, '/topics/news');
    await bus.publish('news', { data: 'kept' });
    await client.next();
    let requested = '';
    await redis.takeBack(await redis.control.keys(`{${key}}:*`), async () => {
      requested = await bus.publish('news', { data: 'replaced' });
      await client.next();
      proxy.cut();
    });
    await redis.pass(`{${key}}:log`, 1_000);
    const publisher = createPublisher(redisBackplane({ url: redis.url, key }));
    expect(await publisher.publish('news', { data: 'another' })).toBe(requested);
    for (let index = 0; index < 400; index++) await publisher.publish('noise', { data: index });
    await publisher.publish('news', { data: 'later' });
    await publisher.close();
    proxy.mend();
    const gap = await client.next();
    expect(gap.json()).toMatchObject({ reason: 'epoch', requested });
    const again = await connectSse(app, '/topics/news', { lastEventId: requested });
    expect((await again.next()).json()).toMatchObject({ reason: 'epoch', requested });
    await bus.publish('news', { data: 'after' });
    expect((await client.next()).data).toBe('after');
    for (const each of [client, again]) each.close();
  });

  it('keep their streams open while Redis is away: heartbeats go on, and delivery afterwards', async () => {
    const options = { heartbeatInterval: 50 };
    const [one, two] = [
      await start({ publishTimeout: 1_000 }, options),
      await start({ publishTimeout: 1_000 }, options),
    ];
    const client = await connectSse(one, '/topics/news');
    await two.get(EventBus).publish('news', { data: 'before' });
    await client.next();
    redis.pause();
    const publishing = two.get(EventBus).publish('news', { data: 'lost' });
    await expect(publishing).rejects.toMatchObject({ code: 'PUBLISH_OUTCOME_UNKNOWN' });
    const { length } = client.text;
    await until('a heartbeat arrives', () => client.text.length > length);
    redis.resume();
    const back = () => [one, two].every((app) => app.get(Backplane).health.isConnected);
    await until('both are connected', back);
    await two.get(EventBus).publish('news', { data: 'after' });
    const events = [await client.next()];
    // Redis may have taken what it did not acknowledge.
    while (events.at(-1)?.data !== 'after') events.push(await client.next());
    expect(events.filter(({ type }) => type === 'gap')).toEqual([]);
    client.close();
  });

  it('serve 300 clients that reconnect, and 300 with cursors from elsewhere, without a command to Redis', async () => {
    const quiet = { checkInterval: 60_000 };
    const [one, two] = [await start(quiet), await start(quiet)];
    const cursor = await one.get(EventBus).publish('news', { data: 0 });
    let head = cursor;
    for (let number = 1; number <= 10; number++) {
      head = await one.get(EventBus).publish('news', { data: number });
    }
    await until('both have everything', () =>
      [one, two].every((app) => app.get(EventBus).head === head),
    );
    const before = await commands();
    let clients: SseTestClient[] = [];
    for (let batch = 0; batch < 3; batch++) {
      const some = Array.from({ length: 100 }, (_, index) =>
        connectSse(index % 2 === 0 ? one : two, '/topics/news', { lastEventId: cursor }),
      );
      clients = [...clients, ...(await Promise.all(some))];
    }
    for (const client of clients) {
      expect((await client.take(10)).map((event) => event.json())).toEqual(
        Array.from({ length: 10 }, (_, index) => index + 1),
      );
    }
    const [epoch, offset] = head.split('.');
    const foreign = [`${epoch}.${Number(offset) + 9}`, 'ffffffffffffffff.1', '0.1', 'no cursor'];
    for (let batch = 0; batch < 3; batch++) {
      const some = Array.from({ length: 100 }, (_, index) =>
        connectSse(index % 2 === 0 ? one : two, '/topics/news', {
          lastEventId: foreign[(index >> 1) % foreign.length],
        }),
      );
      clients = [...clients, ...(await Promise.all(some))];
    }
    await until('each of them has its first frame', () =>
      clients.every(({ retry }) => retry !== undefined),
    );
    const after = await commands();
    for (const client of clients) client.close();
    const more = [...after].filter(([name, calls]) => calls > (before.get(name) ?? 0));
    // Each tail renews its blocked read every five seconds; the test itself asks for the statistics.
    expect(more.map(([name]) => name).filter((name) => name !== 'xread')).toEqual(['info']);
    const reads = (after.get('xread') ?? 0) - (before.get('xread') ?? 0);
    expect(reads).toBeLessThanOrEqual(8);
  });

  it('close in less than a second with a blocked read, and leave no connection', async () => {
    const app = await start();
    const client = await connectSse(app, '/topics/news');
    await app.get(EventBus).publish('news', { data: 1 });
    await client.next();
    expect(await redis.clients()).toHaveLength(2);
    const started = performance.now();
    await app.close();
    expect(performance.now() - started).toBeLessThan(1_000);
    await until('no connection is left', async () => (await redis.clients()).length === 0);
    await client.closed;
    await expect(app.get(EventBus).publish('news', { data: 2 })).rejects.toMatchObject({
      code: 'BACKPLANE_CLOSED',
    });
  });

  it('close in less than a second while Redis hangs, and after it has gone', async () => {
    const app = await start();
    redis.pause();
    let started = performance.now();
    await app.close();
    expect(performance.now() - started).toBeLessThan(1_000);
    redis.resume();
    await until('no connection is left', async () => (await redis.clients()).length === 0);
    const other = await start();
    await redis.kill();
    started = performance.now();
    await other.close();
    expect(performance.now() - started).toBeLessThan(1_000);
    await redis.start();
  });

  it('still publish what is on its way when the application closes', async () => {
    const [one, two] = [await start(), await start()];
    const client = await connectSse(two, '/topics/news');
    const goodbye = one.get(EventBus).publish('news', { data: 'goodbye' });
    await Promise.all([one.close(), goodbye]);
    expect((await client.next()).data).toBe('goodbye');
    client.close();
  });

  it('fail to start without Redis, saying what to do', async () => {
    await redis.kill();
    const url = redis.url.replace('//', '//user:secret@');
    const failure = await start({ url }).then(
      () => undefined,
      (error: unknown) => error,
    );
    await redis.start();
    expect(failure).toMatchObject({ name: 'SseError', code: 'BACKPLANE_UNAVAILABLE' });
    expect(String(failure)).toMatch(/127\.0\.0\.1:\d+.*ECONNREFUSED.*waitForRedis/);
    expect(String(failure)).not.toContain('secret');
  });

  it('wait for Redis when they start, if they are told to', async () => {
    await redis.kill();
    await expect(start({ waitForRedis: 100 })).rejects.toMatchObject({
      code: 'BACKPLANE_UNAVAILABLE',
    });
    const starting = start({ waitForRedis: true });
    await redis.start();
    const app = await starting;
    await expect(app.get(EventBus).publish('news', { data: 1 })).resolves.toMatch(/\.1$/);
  });

  it('need a backplane each', async () => {
    const one = await start();
    const sink = one.get(Log);
    await expect(
      one.get(Backplane).open(sink, { maxEvents: 1, maxBytes: 1, maxAge: false }),
    ).rejects.toMatchObject({
      code: 'BACKPLANE_BROKEN',
    });
  });
});
