import { describe, expect, it } from '@jest/globals';
import { type INestApplication, Module } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import {
  SsePresence,
  SsePresenceModule,
  type SsePresenceOptions,
} from 'nestjs-event-stream/presence';
import { PRESENCE_TOPIC } from '../../src/presence/presence-log.js';
import { Reception } from '../../src/presence/reception.js';
import { type Client, eachAdapter, onExpress } from '../support/each-adapter.js';
import { until } from '../support/until.js';
import { as, identify, RoomsController, RoomView } from './rooms.js';

const TOPICS = { topics: ['room.**'], grace: 60 };

eachAdapter((bench) => {
  it('tells who is there first, then who joins and who leaves, in one order with messages', async () => {
    const app = await bench.start({
      imports: [SsePresenceModule.forRoot(TOPICS)],
      controllers: [RoomsController],
      sse: { identify },
    });
    const ada = new RoomView(await bench.connect(app, '/rooms/7', as('ada')));
    await ada.shows('ada');
    const client = await bench.connect(app, '/rooms/7', as('bob'));
    const bob = new RoomView(client);
    await bob.shows('ada', 'bob');
    await ada.shows('ada', 'bob');
    await app.get(EventBus).publish('room.7', { data: 'hello' });
    client.close();
    await ada.shows('ada');
    await app.get(EventBus).publish('room.7', { data: 'bye' });
    await ada.reads('bye');
    expect(ada.log.slice(-4)).toEqual(['join bob', 'hello', 'leave bob', 'bye']);
    expect(bob.log.slice(-1)).toEqual(['members ada,bob']);
  });
});

describe('presence', () => {
  const bench = onExpress();

  const start = (
    options: Partial<SsePresenceOptions> = {},
    sse: object = { identify },
  ): Promise<INestApplication> =>
    bench.start({
      imports: [SsePresenceModule.forRoot({ ...TOPICS, ...options })],
      controllers: [RoomsController],
      sse,
    });
  const connect = (app: INestApplication, user: string, path = '/silent/7', headers = {}) =>
    bench.connect(app, path, as(user, headers));
  const open = async (app: INestApplication, user: string, path = '/silent/7') => {
    const client = await connect(app, user, path);
    await until('it is open', () => client.retry !== undefined);
    return client;
  };
  const listOf = async (app: INestApplication, topic = 'room.7') =>
    (await app.get(SsePresence).list(topic)).members;

  it('knows an owner once, in however many tabs, until the last one is closed', async () => {
    const app = await start();
    const view = new RoomView(await connect(app, 'eve', '/windows/7'));
    const types: unknown[] = [];
    const log = app.get(EventBus).follow(PRESENCE_TOPIC);
    log.subscribe(({ type }) => types.push(type));
    const tabs = [await open(app, 'ada'), await open(app, 'ada'), await open(app, 'ada')];
    await view.shows('ada');
    tabs[0]?.close();
    tabs[1]?.close();
    await open(app, 'bob');
    await view.shows('ada', 'bob');
    tabs[2]?.close();
    await view.shows('bob');
    expect(view.log).toEqual(['members ', 'join ada', 'join bob', 'leave ada']);
    expect(types).toEqual(['join', 'join', 'leave']);
  });

  it('takes a reload for nothing', async () => {
    const app = await start({ grace: 400 });
    const view = new RoomView(await connect(app, 'eve', '/windows/7'));
    let page = await open(app, 'ada');
    await view.shows('ada');
    const { roster } = app.get(Reception);
    for (let reload = 0; reload < 5; reload++) {
      page.close();
      page = await open(app, 'ada');
    }
    expect(await listOf(app)).toEqual([{ owner: 'ada' }]);
    const bob = await open(app, 'bob');
    bob.close();
    await until('bob has left', () => !roster.isMember('room.7', 'bob'));
    await view.reads('leave bob');
    expect(view.log).toEqual(['members ', 'join ada', 'join bob', 'leave bob']);
  });

  it('tells a client that comes back what it has missed', async () => {
    const app = await start();
    const first = await connect(app, 'eve', '/windows/7');
    const view = new RoomView(first);
    const ada = await open(app, 'ada');
    await view.shows('ada');
    first.close();
    ada.close();
    await open(app, 'bob');
    await until('ada has left', async () => (await listOf(app))?.length === 1);
    const again = new RoomView(
      await connect(app, 'eve', '/windows/7', { 'last-event-id': first.lastEventId }),
      ['ada'],
    );
    await again.reads('leave ada');
    expect(again.log).toEqual(['join bob', 'leave ada']);
  });

  it('tells a client whose place is gone all members anew', async () => {
    const app = await start({}, { identify, history: { maxEvents: 3 } });
    const first = await connect(app, 'eve', '/windows/7');
    const view = new RoomView(first);
    const ada = await open(app, 'ada');
    await view.shows('ada');
    first.close();
    ada.close();
    for (const user of ['bob', 'cleo', 'dan', 'finn']) await open(app, user);
    await until('ada has left', async () => (await listOf(app))?.length === 4);
    const again = new RoomView(
      await connect(app, 'eve', '/windows/7', { 'last-event-id': first.lastEventId }),
    );
    await again.shows('bob', 'cleo', 'dan', 'finn');
    expect(again.log).toEqual(['gap', 'members bob,cleo,dan,finn']);
  });

  it('tells what describe returns, and nothing else', async () => {
    const app = await start({
      describe: async (owner, tags) => ({ name: owner.toUpperCase(), tags, since: new Date(0) }),
    });
    await connect(app, 'ada', '/silent/7', { 'x-tags': 'admin de' });
    const member = { name: 'ADA', tags: ['admin', 'de'], since: '1970-01-01T00:00:00.000Z' };
    await until('ada is there', async () => (await listOf(app))?.length === 1);
    expect(await listOf(app)).toEqual([member]);
    const client = await connect(app, 'bob', '/windows/7');
    expect((await client.next()).data).toBe(JSON.stringify({ topic: 'room.7', members: [member] }));
    expect(client.text).not.toContain('ada');
  });

  it('tells of others when describe fails for somebody, and says so', async () => {
    const app = await start({
      describe: (owner) => {
        if (owner === 'ada') throw new Error('no such user');
        return owner === 'bob' ? new Map() : owner;
      },
    });
    for (const user of ['ada', 'bob', 'cleo']) await open(app, user);
    await until('cleo is there', async () => (await listOf(app))?.length === 1);
    expect(await listOf(app)).toEqual(['cleo']);
    await open(app, 'ada', '/silent/x%0A[Nest] forged');
    await until('it is said', () => bench.logs.find('error', 'forged').length > 0);
    expect(bench.logs.find('error', '\n[Nest] forged')).toEqual([]);
    const errors = bench.logs.find('error', '').join('\n');
    expect(errors).toContain('no such user');
    expect(errors).toContain('what JSON can hold');
  });

  it('counts who is there when there are too many, and names them when there are half as many', async () => {
    const app = await start({ maxMembers: 2 });
    const view = new RoomView(await connect(app, 'eve', '/windows/7'));
    const clients: Client[] = [];
    for (const user of ['ada', 'bob', 'cleo', 'dan', 'finn']) clients.push(await open(app, user));
    await view.showsCount(5);
    expect(await app.get(SsePresence).list('room.7')).toEqual({ count: 5, members: undefined });
    const late = new RoomView(await connect(app, 'eve', '/windows/7'));
    await late.showsCount(5);
    for (const client of clients.slice(1)) client.close();
    for (const each of [view, late]) await each.shows('ada');
    expect(view.log[3]).toBe('join cleo');
    expect(view.log[4]).toBe('count 3');
    expect(view.log.slice(-2)).toEqual(['members ', 'join ada']);
  });

  it('knows nobody without an owner, and nobody who only looks', async () => {
    const app = await start();
    const view = new RoomView(await connect(app, 'eve', '/windows/7'));
    await bench.connect(app, '/silent/7');
    await open(app, 'ada');
    await view.shows('ada');
    expect(view.log).toEqual(['members ', 'join ada']);
    expect(bench.logs.find('warn', '')).toEqual([]);
  });

  it('says what is missing where nobody has an owner', async () => {
    const app = await start({}, {});
    await open(app, 'ada');
    await open(app, 'bob');
    const [warning, ...others] = bench.logs.find('warn', '');
    expect(warning).toContain('identify');
    expect(others).toEqual([]);
  });

  it('refuses topics that it is not told of', async () => {
    const presence = (await start()).get(SsePresence);
    const refusal = { code: 'BAD_TOPIC', message: expect.stringContaining('SsePresenceModule') };
    expect(() => presence.stream(['room.7', 'lobby'])).toThrow(expect.objectContaining(refusal));
    await expect(presence.list('lobby')).rejects.toMatchObject(refusal);
    expect(() => presence.stream('$presence.room.7')).toThrow(/begin with '\$'/);
  });

  it('keeps its own topics from users', async () => {
    const app = await start();
    const bus = app.get(EventBus);
    await expect(bus.publish('$presence.room.7', { data: 1 })).rejects.toMatchObject({
      code: 'BAD_TOPIC',
    });
    const seen: unknown[] = [];
    const { matching } = await import('nestjs-event-stream');
    bus.stream(matching('**')).subscribe((event) => seen.push(event.data));
    expect(() => bus.stream('$presence.room.7')).toThrow(/begin with '\$'/);
    const view = new RoomView(await connect(app, 'eve', '/windows/7'));
    await open(app, 'ada');
    await view.shows('ada');
    await bus.publish('room.7', { data: 'last' });
    await until('the last event', () => seen.length > 0);
    expect(seen).toEqual(['last']);
  });

  it('keeps nothing of who has left', async () => {
    const app = await start({ grace: 0 });
    const reception = app.get(Reception);
    for (let round = 0; round < 5; round++) {
      const users = Array.from({ length: 20 }, (_, n) => `user-${round}-${n}`);
      const clients = await Promise.all(users.map((user) => open(app, user, `/silent/${user}`)));
      for (const client of clients) client.close();
    }
    await until('all have left', () => reception.roster.rooms.size === 0);
    await until('nobody is known', () => reception.topics === 0);
  });

  it.each([
    [{}],
    [{ topics: [] }],
    [{ topics: 'room.**' }],
    [{ topics: ['room.7'], maxMembers: 0 }],
    [{ topics: ['room.7'], lease: 1 }],
    [{ topics: ['room.7'], grace: -1 }],
    [{ topics: ['room.7'], describe: 'name' }],
    [{ topics: ['room.7'], cap: 1 }],
  ])('refuses options that are none: %j', async (options) => {
    const imports = [SsePresenceModule.forRoot(options as never)];
    await expect(bench.start({ imports })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('SsePresenceModule'),
    });
  });

  it.each(['$presence', 'room*'])('refuses %s as a pattern', async (pattern) => {
    const imports = [SsePresenceModule.forRoot({ topics: [pattern] })];
    await expect(bench.start({ imports })).rejects.toMatchObject({ code: 'BAD_TOPIC' });
  });

  it('says what is missing without SseModule', async () => {
    const imports = [SsePresenceModule.forRoot(TOPICS)];
    await expect(bench.start({ imports, sse: false })).rejects.toMatchObject({
      code: 'MODULE_WITHOUT_OPTIONS',
      message: expect.stringContaining('SseModule.forRoot()'),
    });
  });

  it('takes its options from other providers', async () => {
    @Module({ providers: [{ provide: 'TOPICS', useValue: ['room.*'] }], exports: ['TOPICS'] })
    class ConfigModule {}
    const app = await bench.start({
      imports: [
        SsePresenceModule.forRootAsync({
          imports: [ConfigModule],
          inject: ['TOPICS'],
          useFactory: (topics: string[]) => ({ topics }),
        }),
      ],
      controllers: [RoomsController],
      sse: { identify },
    });
    await open(app, 'ada');
    await until('ada is there', async () => (await listOf(app))?.length === 1);
    expect(() => app.get(SsePresence).stream('room.7.side')).toThrow(/SsePresenceModule/);
  });
});
