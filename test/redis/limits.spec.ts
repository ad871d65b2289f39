import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { type ExecutionContext, type INestApplication, Logger } from '@nestjs/common';
import {
  EventBus,
  SseConnections,
  type SseEvent,
  type SseModuleOptions,
} from 'nestjs-event-stream';
import { connectSse, type SseTestClient } from 'nestjs-event-stream/testing';
import { filter, firstValueFrom } from 'rxjs';
import { LIMITS_TOPIC } from '../../src/control/limits.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { elapse, until } from '../support/until.js';
import { startInstance } from './support/instance.js';
import { Proxy } from './support/proxy.js';
import { RedisServer } from './support/redis-server.js';

const identify = (context: ExecutionContext) => ({
  owner: context.switchToHttp().getRequest<{ headers: Record<string, string> }>().headers['x-user'],
});

const LONG = 25_000;

const hasAdded = ({ data }: SseEvent) => Object.hasOwn(data as object, 'add');

describeWith(REDIS_SERVER, 'limits of instances that share a Redis', (path) => {
  let redis: RedisServer;
  let logs = 0;
  let apps: INestApplication[];
  let clients: SseTestClient[];

  beforeAll(async () => {
    redis = await RedisServer.start(path);
  });

  afterAll(() => redis.stop());

  beforeEach(() => {
    logs++;
    apps = [];
    clients = [];
    Logger.overrideLogger(false);
  });

  afterEach(async () => {
    redis.resume();
    for (const client of clients) client.close();
    await Promise.all(apps.map((app) => app.close()));
  });

  async function start(
    limits: SseModuleOptions['limits'],
    url = redis.url,
  ): Promise<INestApplication> {
    const backplane = { url, key: `log-${logs}`, checkInterval: 100 };
    const app = await startInstance(backplane, { identify, limits });
    apps.push(app);
    return app;
  }

  async function connect(app: INestApplication, user = 'ada'): Promise<SseTestClient> {
    const client = await connectSse(app, '/topics/a', { headers: { 'x-user': user } });
    clients.push(client);
    await until('it is open', () => client.retry !== undefined);
    return client;
  }

  /** Connects, and waits until the log has it: who comes first is decided there. */
  async function connectFirst(app: INestApplication): Promise<SseTestClient> {
    const told = firstValueFrom(app.get(EventBus).follow(LIMITS_TOPIC).pipe(filter(hasAdded)));
    const client = await connect(app);
    await told;
    return client;
  }

  /** Connects again and again until it is let in: what is too many is turned away within a second. */
  async function letIn(app: INestApplication): Promise<SseTestClient> {
    for (;;) {
      const client = await connect(app);
      await Promise.race([client.closed, elapse(300)]);
      if ((client.retry ?? LONG) < LONG) return client;
    }
  }

  it('ends the oldest of an owner on another instance', async () => {
    const limits = { perOwner: 2, then: 'closeOldest' } as const;
    const [one, two] = [await start(limits), await start(limits)];
    const first = await connectFirst(one);
    await connect(two);
    await connect(two, 'grace');
    await connect(two);
    expect((await first.next('closed')).json()).toEqual({ reason: 'replaced' });
    await first.closed;
    expect(first.retry).toBeGreaterThanOrEqual(LONG);
    expect(one.get(SseConnections).ended.replaced).toBe(1);
    expect(two.get(SseConnections).count).toBe(3);
  });

  it('ends the oldest of an address on another instance, whoever it is', async () => {
    const limits = { perAddress: 1, then: 'closeOldest' } as const;
    const [one, two] = [await start(limits), await start(limits)];
    const first = await connectFirst(one);
    await connect(two, 'grace');
    expect((await first.next('closed')).json()).toEqual({ reason: 'replaced' });
    await first.closed;
    expect(two.get(SseConnections).count).toBe(1);
  });

  it('allows so many and no more to an owner who comes to both at once', async () => {
    const [one, two] = [await start({ perOwner: 3 }), await start({ perOwner: 3 })];
    const all = await Promise.all(
      Array.from({ length: 8 }, (_, n) => connect(n % 2 === 0 ? one : two)),
    );
    const isTurnedAway = ({ retry }: SseTestClient) => retry !== undefined && retry >= LONG;
    await until('the others are told', () => all.filter(isTurnedAway).length === 5);
    for (const client of all.filter(isTurnedAway)) await client.closed;
    await two.get(EventBus).publish('a', { data: 'still' });
    for (const client of all.filter((each) => !isTurnedAway(each))) {
      expect((await client.next()).data).toBe('still');
    }
    const counts = [one, two].map((app) => app.get(SseConnections).count);
    expect(counts.reduce((sum, count) => sum + count)).toBe(3);
  });

  it('is full for who comes to an instance that begins later, and free when one has left', async () => {
    const one = await start({ perOwner: 1 });
    await connectFirst(one);
    const two = await start({ perOwner: 1 });
    const refused = await connect(two);
    await until('it is turned away', () => (refused.retry ?? 0) >= LONG);
    await refused.closed;
    for (const client of clients.splice(0)) client.close();
    await letIn(two);
  });

  it('is exact again after Redis has lost everything', async () => {
    const [one, two] = [await start({ perOwner: 1 }), await start({ perOwner: 1 })];
    const first = await connectFirst(one);
    await redis.control.flushall();
    // Orders to close it may have been lost with the log: its client comes back.
    await first.closed;
    await connectFirst(one);
    for (const app of [two, await start({ perOwner: 1 })]) {
      const refused = await connect(app);
      await until('it is turned away', () => (refused.retry ?? 0) >= LONG);
      await refused.closed;
    }
    expect(one.get(SseConnections).count).toBe(1);
  });

  it('forgets what an instance has that is not heard of any more, and believes it when it is', async () => {
    const limits = { perOwner: 1, lease: 300 };
    const proxy = await Proxy.start(redis.port);
    const [one, two] = [await start(limits, proxy.url), await start(limits)];
    const first = await connectFirst(one);
    const refused = await connect(two);
    await until('it is turned away', () => (refused.retry ?? 0) >= LONG);
    proxy.cut();
    const second = await letIn(two);
    proxy.mend();
    await second.closed;
    expect(second.retry).toBeGreaterThanOrEqual(LONG);
    await two.get(EventBus).publish('a', { data: 'still' });
    expect((await first.next()).data).toBe('still');
    await one.close();
    apps = [two];
    await proxy.stop();
  });
});
