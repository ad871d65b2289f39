import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { type INestApplication, Logger } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { EventBus, type SseEvent, SseModule, type SseModuleOptions } from 'nestjs-event-stream';
import {
  SsePresence,
  SsePresenceModule,
  type SsePresenceOptions,
} from 'nestjs-event-stream/presence';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { connectSse, type SseTestClient } from 'nestjs-event-stream/testing';
import { PRESENCE_TOPIC } from '../../src/presence/presence-log.js';
import { as, identify, RoomsController, RoomView } from '../presence/rooms.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { elapse, until } from '../support/until.js';
import { startInstance } from './support/instance.js';
import { Proxy } from './support/proxy.js';
import { RedisServer } from './support/redis-server.js';

interface Setup extends Partial<SsePresenceOptions> {
  readonly url?: string;
  readonly sse?: SseModuleOptions;
}

describeWith(REDIS_SERVER, 'presence on instances that share a Redis', (path) => {
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
    for (const client of clients) client.close();
    await Promise.all(apps.map((app) => app.close()));
  });

  async function start({ url = redis.url, sse, ...options }: Setup = {}) {
    const backplane = redisBackplane({ url, key: `log-${logs}`, checkInterval: 50 });
    const presence = { topics: ['room.**'], grace: 100, lease: 600, ...options };
    const module = await Test.createTestingModule({
      imports: [
        SseModule.forRoot({ identify, retry: { min: 10, max: 20 }, ...sse, backplane }),
        SsePresenceModule.forRoot(presence),
      ],
      controllers: [RoomsController],
    }).compile();
    const app = module.createNestApplication();
    await app.listen(0, '127.0.0.1');
    apps.push(app);
    return app;
  }

  async function connect(
    app: INestApplication,
    user: string,
    room = '/silent/7',
    headers: Record<string, string> = {},
  ): Promise<SseTestClient> {
    const client = await connectSse(app, room, as(user, headers));
    clients.push(client);
    await until('it is open', () => client.retry !== undefined);
    return client;
  }

  const look = async (app: INestApplication) =>
    new RoomView(await connect(app, 'eve', '/windows/7'));

  /** What instances tell each other of presence. */
  function spy(app: INestApplication): SseEvent[] {
    const seen: SseEvent[] = [];
    app
      .get(EventBus)
      .follow(PRESENCE_TOPIC)
      .subscribe((event) => seen.push(event));
    return seen;
  }

  it('knows an owner once on both, until the last connection of either is closed', async () => {
    const [one, two] = [await start(), await start()];
    const views = [await look(one), await look(two)];
    const [first, second] = [await connect(one, 'ada'), await connect(two, 'ada')];
    for (const view of views) await view.shows('ada');
    first.close();
    await connect(one, 'bob');
    for (const view of views) await view.shows('ada', 'bob');
    second.close();
    for (const view of views) await view.shows('bob');
    for (const { log } of views) {
      expect(log).toEqual(['members ', 'join ada', 'join bob', 'leave ada']);
    }
  });

  it('tells once of who comes to both at once', async () => {
    const [one, two] = [await start(), await start()];
    const views = [await look(one), await look(two)];
    const users = Array.from({ length: 10 }, (_, n) => `user-${n}`);
    await Promise.all(users.flatMap((user) => [connect(one, user), connect(two, user)]));
    for (const view of views) await view.shows(...users);
    for (const client of clients.slice(2)) client.close();
    for (const view of views) await view.shows();
    for (const { log } of views) expect(log).toHaveLength(21);
    expect(views[0]?.log).toEqual(views[1]?.log);
  });

  it('takes a rolling restart for nothing', async () => {
    const grace = { grace: 1_000 };
    const [one, two] = [await start(grace), await start(grace)];
    const view = await look(two);
    const users = ['ada', 'bob', 'cleo'];
    const before = await Promise.all(users.map((user) => connect(one, user)));
    await view.shows(...users);
    await one.close();
    await Promise.all(before.map(({ closed }) => closed));
    const three = await start(grace);
    const [ada] = await Promise.all(users.map((user) => connect(three, user)));
    const newView = await look(three);
    await newView.shows(...users);
    expect(newView.log).toHaveLength(1);
    await connect(two, 'dan');
    await view.shows(...users, 'dan');
    expect(view.log).toHaveLength(5);
    ada?.close();
    await newView.shows('bob', 'cleo', 'dan');
    apps = [two, three];
  });

  it('tells once of each who was on an instance that is not heard of any more', async () => {
    const proxy = await Proxy.start(redis.port);
    const [one, two, three] = [await start({ url: proxy.url }), await start(), await start()];
    const views = [await look(two), await look(three)];
    const told = spy(two);
    for (const user of ['ada', 'bob', 'cleo']) await connect(one, user);
    await connect(two, 'bob');
    for (const view of views) await view.shows('ada', 'bob', 'cleo');
    proxy.cut();
    for (const view of views) await view.shows('bob');
    const leaves = told.filter(({ type }) => type === 'leave');
    expect(leaves).toHaveLength(2);
    proxy.mend();
    for (const view of views) await view.shows('ada', 'bob', 'cleo');
    await one.close();
    await proxy.stop();
    apps = [two, three];
  });

  it('takes nobody for gone while Redis is away', async () => {
    const proxy = await Proxy.start(redis.port);
    const [one, two] = [await start({ url: proxy.url }), await start({ url: proxy.url })];
    const view = await look(two);
    await connect(one, 'ada');
    await view.shows('ada');
    proxy.cut();
    const bob = connect(two, 'bob');
    // Longer than the lease.
    await elapse(1_000);
    proxy.mend();
    await bob;
    await view.shows('ada', 'bob');
    expect(view.log).toEqual(['members ', 'join ada', 'join bob']);
    await Promise.all([one.close(), two.close()]);
    await proxy.stop();
    apps = [];
  });

  it('gives an instance that begins what the log has no more', async () => {
    const sse = { history: { maxEvents: 40 } };
    const one = await start({ sse });
    await connect(one, 'ada');
    const view = await look(one);
    await view.shows('ada');
    const bus = one.get(EventBus);
    for (let n = 0; n < 100; n++) await bus.publish('other', { data: n });
    const two = await start({ sse });
    const newView = await look(two);
    await newView.shows('ada');
    await connect(two, 'bob');
    for (const each of [view, newView]) await each.shows('ada', 'bob');
    expect(newView.log).toEqual(['members ada', 'join bob']);
  });

  it('leaves in the log what an instance needs that begins alone', async () => {
    const sse = { history: { maxEvents: 40 } };
    const one = await start({ sse });
    await connect(one, 'ada');
    const before = await connect(one, 'eve', '/windows/7');
    const view = new RoomView(before);
    await view.shows('ada');
    const told = spy(one);
    for (let n = 0; n < 100; n++) await one.get(EventBus).publish('other', { data: n });
    await until('it is said what was told', () => told.some(({ type }) => type === 'state'));
    await one.close();
    const two = await start({ sse });
    const newView = await look(two);
    await newView.shows('ada');
    await newView.shows();
    expect(newView.log).toEqual(['members ada', 'leave ada']);
    const headers = { 'last-event-id': before.lastEventId };
    const again = new RoomView(await connect(two, 'eve', '/windows/7', headers), ['ada']);
    await again.shows();
    apps = [two];
  });

  it('gives who comes back to another instance what was missed there', async () => {
    const [one, two] = [await start(), await start()];
    const before = await connect(one, 'eve', '/windows/7');
    const view = new RoomView(before);
    const ada = await connect(one, 'ada');
    await view.shows('ada');
    const { lastEventId } = before;
    before.close();
    ada.close();
    const other = await look(two);
    await other.shows();
    await connect(one, 'bob');
    await other.shows('bob');
    const headers = { 'last-event-id': lastEventId };
    const again = new RoomView(await connect(two, 'eve', '/windows/7', headers), ['ada']);
    await again.reads('join bob');
    expect(again.log).toEqual(['leave ada', 'join bob']);
  });

  it('tells all anew after Redis has lost everything', async () => {
    const [one, two] = [await start(), await start()];
    const view = await look(two);
    await connect(one, 'ada', '/silent/7');
    await view.shows('ada');
    const before = clients.splice(0);
    await redis.control.flushall();
    // Orders to close them may have been lost with the log: their clients come back.
    await Promise.all(before.map(({ closed }) => closed));
    const headers = { 'last-event-id': before[0]?.lastEventId ?? '' };
    const again = new RoomView(await connect(two, 'eve', '/windows/7', headers));
    await connect(one, 'ada');
    await connect(two, 'bob');
    await again.shows('ada', 'bob');
    expect(again.log.slice(0, 2).join()).toMatch(/^gap,members/);
    for (const each of [await look(one), await look(two)]) await each.shows('ada', 'bob');
  });

  it('tells all anew after every instance has missed a part of the log, and nobody knows what was told', async () => {
    const proxy = await Proxy.start(redis.port);
    const [one, two] = [await start({ url: proxy.url }), await start({ url: proxy.url })];
    const history = { maxEvents: 40 };
    const other = await startInstance({ url: redis.url, key: `log-${logs}` }, { history });
    const views = [await look(one), await look(two)];
    await connect(one, 'ada');
    for (const view of views) await view.shows('ada');
    proxy.cut();
    const bus = other.get(EventBus);
    await Promise.all(Array.from({ length: 500 }, (_, n) => bus.publish('other', { data: n })));
    proxy.mend();
    // An order to close them may have been lost as well: their clients come back.
    await Promise.all(clients.splice(0).map(({ closed }) => closed));
    views.splice(0, 2, await look(one), await look(two));
    await connect(one, 'ada');
    await connect(two, 'bob');
    for (const view of views) await view.shows('ada', 'bob');
    const list = await two.get(SsePresence).list('room.7');
    expect(list.members).toEqual(expect.arrayContaining([{ owner: 'ada' }, { owner: 'bob' }]));
    await Promise.all([one, two, other].map((app) => app.close()));
    await proxy.stop();
    apps = [];
  });

  it('counts who is on all instances when there are too many', async () => {
    const options = { maxMembers: 3 };
    const [one, two] = [await start(options), await start(options)];
    const view = await look(one);
    for (const user of ['ada', 'bob', 'cleo']) await connect(one, user);
    for (const user of ['dan', 'finn']) await connect(two, user);
    await view.showsCount(5);
    expect(await two.get(SsePresence).list('room.7')).toEqual({ count: 5, members: undefined });
    for (const client of clients.slice(2)) client.close();
    await view.shows('ada');
  });
});
