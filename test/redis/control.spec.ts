import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { type ExecutionContext, type INestApplication, Logger } from '@nestjs/common';
import { EventBus, SseConnections, type SseModuleOptions } from 'nestjs-event-stream';
import { connectSse, type SseTestClient } from 'nestjs-event-stream/testing';
import { LogLines } from '../support/log-lines.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { startInstance } from './support/instance.js';
import { Proxy } from './support/proxy.js';
import { RedisServer } from './support/redis-server.js';

const identify = (context: ExecutionContext) => {
  const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
  return { owner: headers['x-user'], tags: [`is-${headers['x-user']}`] };
};

describeWith(REDIS_SERVER, 'what instances that share a Redis tell each other', (path) => {
  let redis: RedisServer;
  let logs = 0;
  let apps: INestApplication[];
  let clients: SseTestClient[];
  let lines: LogLines;

  beforeAll(async () => {
    redis = await RedisServer.start(path);
  });

  afterAll(() => redis.stop());

  beforeEach(() => {
    logs++;
    apps = [];
    clients = [];
    lines = new LogLines();
    Logger.overrideLogger(lines);
  });

  afterEach(async () => {
    redis.resume();
    for (const client of clients) client.close();
    await Promise.all(apps.map((app) => app.close()));
    Logger.overrideLogger(false);
  });

  async function start(options: SseModuleOptions = {}, url = redis.url): Promise<INestApplication> {
    const backplane = { url, key: `log-${logs}`, checkInterval: 100 };
    const app = await startInstance(backplane, { identify, ...options });
    apps.push(app);
    // The test module has put its own in the place of it.
    Logger.overrideLogger(lines);
    return app;
  }

  async function connect(app: INestApplication, topic: string, user: string) {
    const client = await connectSse(app, `/topics/${topic}`, { headers: { 'x-user': user } });
    clients.push(client);
    await until('it reads', () => client.lastEventId !== '');
    return client;
  }

  it.each([{ owner: 'ada' }, { topic: 'a' }, { tag: 'is-ada' }] as const)(
    'ends the connections that are meant on both after what was published before, and only such as were there: %j',
    async (target) => {
      const [one, two] = [await start(), await start()];
      const meant = [await connect(one, 'a', 'ada'), await connect(two, 'a', 'ada')];
      const others = [await connect(one, 'b', 'grace'), await connect(two, 'b', 'grace')];
      void one.get(EventBus).publish('a', { data: 'last' });
      await one.get(SseConnections).closeEverywhere(target);
      const after = await one.get(EventBus).publish('a', { data: 'after' });
      for (const client of meant) {
        expect((await client.next()).data).toBe('last');
        await expect(client.next()).rejects.toThrow('the response has ended');
      }
      const isThere = () => [one, two].every((app) => app.get(EventBus).head === after);
      await until('both have it', isThere);
      const again = [await connect(one, 'a', 'ada'), await connect(two, 'a', 'ada')];
      await two.get(EventBus).publish(['a', 'b'], { data: 'still' });
      for (const client of [...again, ...others]) expect((await client.next()).data).toBe('still');
      const ended = [one, two].map((app) => app.get(SseConnections).ended);
      expect(ended).toMatchObject([{ closed: 1 }, { closed: 1 }]);
    },
  );

  it('reaches an instance that was away, and nobody on one that began later', async () => {
    const proxy = await Proxy.start(redis.port);
    const [one, away] = [await start(), await start({}, proxy.url)];
    const [client, before] = [await connect(one, 'b', 'grace'), await connect(away, 'a', 'ada')];
    proxy.cut();
    await one.get(SseConnections).closeEverywhere({ owner: 'ada' });
    const three = await start();
    const late = await connect(three, 'a', 'ada');
    expect(away.get(SseConnections).count).toBe(1);
    proxy.mend();
    await before.closed;
    await one.get(EventBus).publish(['a', 'b'], { data: 'still' });
    for (const each of [client, late]) expect((await each.next()).data).toBe('still');
    expect(away.get(SseConnections).ended).toMatchObject({ closed: 1, expired: 0 });
    expect(three.get(SseConnections).ended).toMatchObject({ closed: 0 });
    await away.close();
    apps = [one, three];
    await proxy.stop();
  });

  it('leaves out one connection of another instance, and an owner who comes back to either', async () => {
    const [one, two] = [await start(), await start()];
    const [first, second] = [await connect(one, 'a', 'ada'), await connect(two, 'a', 'ada')];
    const [{ id } = { id: '' }] = two.get(SseConnections).list();
    const { lastEventId } = first;
    await one.get(EventBus).publish('a', { data: 'b' }, { except: { connection: id } });
    await two.get(EventBus).publish('a', { data: 'c' }, { except: { owner: 'ada' } });
    await one.get(EventBus).publish('a', { data: 'd' });
    expect((await first.take(2)).map(({ data }) => data)).toEqual(['b', 'd']);
    expect((await second.next()).data).toBe('d');
    for (const app of [one, two]) {
      const options = { lastEventId, headers: { 'x-user': 'ada' } };
      const again = await connectSse(app, '/topics/a', options);
      clients.push(again);
      expect((await again.take(2)).map(({ data }) => data)).toEqual(['b', 'd']);
      const other = await connectSse(app, '/topics/a', { lastEventId });
      clients.push(other);
      expect((await other.take(3)).map(({ data }) => data)).toEqual(['b', 'c', 'd']);
    }
  });

  it('leaves out the sender of an event on both', async () => {
    const [one, two] = [await start(), await start()];
    const ada = [await connect(one, 'a', 'ada'), await connect(two, 'a', 'ada')];
    const grace = [await connect(one, 'a', 'grace'), await connect(two, 'a', 'grace')];
    await one.get(EventBus).publish('a', { data: 'hers' }, { except: { owner: 'ada' } });
    await one.get(EventBus).publish('a', { data: 'all' });
    for (const client of ada) expect((await client.next()).data).toBe('all');
    for (const client of grace) {
      expect((await client.take(2)).map(({ data }) => data)).toEqual(['hers', 'all']);
    }
  });

  it('ends one connection by the id that it has on another instance', async () => {
    const [one, two] = [await start(), await start()];
    const [first, second] = [await connect(one, 'a', 'ada'), await connect(two, 'a', 'ada')];
    const [{ id } = { id: '' }] = two.get(SseConnections).list();
    await one.get(SseConnections).closeEverywhere({ id });
    await second.closed;
    await two.get(EventBus).publish('a', { data: 'still' });
    expect((await first.next()).data).toBe('still');
  });

  it('completes the streams of a topic on both, and answers 204 on one that comes later', async () => {
    const [one, two] = [await start(), await start()];
    const both = [await connect(one, 'a', 'ada'), await connect(two, 'a', 'grace')];
    void one.get(EventBus).publish('a', { data: 'last' });
    const end = await one.get(EventBus).complete('a');
    for (const client of both) {
      expect((await client.next()).data).toBe('last');
      await client.closed;
      expect(client.lastEventId).toBe(end);
    }
    const three = await start();
    for (const app of [one, two, three]) {
      expect((await connectSse(app, '/topics/a')).status).toBe(204);
      expect((await connectSse(app, '/topics/a', { lastEventId: end })).status).toBe(204);
    }
    await three.get(EventBus).publish('a', { data: 'again' });
    const again = await connectSse(two, '/topics/a', { lastEventId: end });
    expect((await again.next()).data).toBe('again');
    again.close();
  });

  it('has the guards asked anew about an owner on both', async () => {
    const [one, two] = [await start(), await start()];
    const both = [await connect(one, 'a', 'ada'), await connect(two, 'a', 'ada')];
    await two.get(SseConnections).reauthorize('ada');
    for (const client of both) await client.closed;
    expect(one.get(SseConnections).ended.expired).toBe(1);
  });

  it('has the guards asked anew about every owner when an order may be lost, and says so', async () => {
    const app = await start();
    const client = await connect(app, 'a', 'ada');
    await app.get(EventBus).publish('a', { data: 'before' });
    await redis.control.flushall();
    await client.closed;
    expect(app.get(SseConnections).ended.expired).toBe(1);
    expect(lines.find('warn', 'Orders to close connections may have been lost')).toHaveLength(1);
  });
});
