import { expect, it } from '@jest/globals';
import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Headers,
  Injectable,
  type MessageEvent,
  Param,
  Query,
  Sse,
  UnauthorizedException,
  UseGuards,
} from '@nestjs/common';
import { EMPTY, map, merge, type Observable, switchMap, tap } from 'rxjs';
import {
  type ConnectionInfo,
  type EndedConnection,
  EventBus,
  type Identity,
  SseConnection,
  SseConnections,
} from 'nestjs-event-stream';
import { turns } from '../reader/recording-connection.js';
import { eachAdapter } from '../support/each-adapter.js';
import { until } from '../support/until.js';

/** A promise, and what resolves it. */
function held(): { wait: Promise<void>; release: () => void } {
  let release = () => {};
  const wait = new Promise<void>((resolve) => (release = resolve));
  return { wait, release };
}

let guard = held();
let handler = held();
let asked: string[] = [];

@Injectable()
class SlowGuard implements CanActivate {
  async canActivate(): Promise<boolean> {
    asked.push('guard');
    await guard.wait;
    return true;
  }
}

@Controller()
class Routes {
  constructor(
    private readonly bus: EventBus,
    private readonly connections: SseConnections,
  ) {}

  @Sse('topics/:topic')
  topic(@Param('topic') topic: string): Observable<MessageEvent> {
    asked.push('handler');
    return this.bus.stream(topic);
  }

  @Sse('mapped/:topic')
  mapped(@Param('topic') topic: string): Observable<MessageEvent> {
    return this.bus.stream(topic).pipe(map((event) => ({ ...event })));
  }

  /** Ends all of its owner's as soon as it reads something. */
  @Sse('closing/:topic')
  closing(@Param('topic') topic: string): Observable<MessageEvent> {
    return this.bus
      .stream(topic)
      .pipe(tap(() => void this.connections.closeEverywhere({ owner: 'ada' })));
  }

  @Sse('guarded/:topic')
  @UseGuards(SlowGuard)
  guarded(@Param('topic') topic: string): Observable<MessageEvent> {
    asked.push('handler');
    return this.bus.stream(topic);
  }

  @Sse('slow/:topic')
  async slow(@Param('topic') topic: string): Promise<Observable<MessageEvent>> {
    asked.push('handler');
    await handler.wait;
    return this.bus.stream(topic);
  }

  @Sse('joining/:topic')
  joining(@Param('topic') topic: string): Observable<MessageEvent> {
    const doors = this.bus.stream('door').pipe(switchMap(() => this.bus.stream(topic)));
    return merge(this.bus.stream('lobby'), doors);
  }

  @Sse('rooms/:id')
  room(
    @Param('id') id: string,
    @SseConnection() connection: SseConnection,
    @Query('late') late?: string,
  ): Observable<MessageEvent> {
    connection.identify({ tags: [`room.${id}`], ...(late === undefined ? {} : { owner: late }) });
    asked.push(`${connection.info?.owner} ${String(connection.info?.tags)}`);
    return this.bus.stream('rooms');
  }

  @Sse('empty')
  empty(): Observable<MessageEvent> {
    return EMPTY;
  }

  @Get('plain')
  plain(@SseConnection() connection: SseConnection): string {
    return connection.id;
  }

  @Sse('bad')
  bad(@SseConnection() connection: SseConnection, @Headers('x-identity') given: string) {
    connection.identify(JSON.parse(given) as Identity);
    return this.bus.stream('rooms');
  }
}

function userOf(context: ExecutionContext): string | undefined {
  const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
  return headers['x-user'];
}

const identify = (context: ExecutionContext): Identity => ({ owner: userOf(context) });

eachAdapter((bench) => {
  async function start(sse = {}) {
    guard = held();
    handler = held();
    asked = [];
    const options = { openTimeout: 20, identify, ...sse };
    const app = await bench.start({ controllers: [Routes], providers: [SlowGuard], sse: options });
    const connect = (path: string, user?: string, more: Record<string, string> = {}) =>
      bench.connect(app, path, { headers: { ...(user && { 'x-user': user }), ...more } });
    return { app, connect, bus: app.get(EventBus), connections: app.get(SseConnections) };
  }

  it('knows whose a connection is, when asked at once and when asked in its own time', async () => {
    for (const ask of [identify, async (context: ExecutionContext) => identify(context)]) {
      const { connect, connections, bus } = await start({ identify: ask });
      const client = await connect('/rooms/7', 'ada');
      await connect('/topics/a');
      await bus.publish('rooms', { data: 'x' });
      await client.next();
      expect(connections.list().map(({ owner, tags }) => ({ owner, tags }))).toEqual([
        { owner: 'ada', tags: ['room.7'] },
        { owner: undefined, tags: [] },
      ]);
      expect(asked[0]).toBe('ada room.7');
    }
  });

  it('asks who it is after the guards and before the handler', async () => {
    const { connect } = await start({
      identify: () => {
        asked.push('identify');
        return undefined;
      },
    });
    guard.release();
    await connect('/guarded/a', 'ada');
    expect(asked).toEqual(['guard', 'identify', 'handler']);
  });

  it('answers with what identify throws, without asking the handler', async () => {
    const refuse = () => {
      throw new UnauthorizedException();
    };
    for (const ask of [refuse, async () => refuse()]) {
      const { app, connect } = await start({ identify: ask, openTimeout: 1_000 });
      expect((await connect('/topics/a', 'ada')).status).toBe(401);
      const head = await bench.connect(app, '/topics/a', { method: 'HEAD' });
      expect(head.status).toBe(401);
      expect(asked).toEqual([]);
    }
  });

  it.each([
    [
      'a number',
      { owner: 7 },
      'owner has to be a non-empty, well-formed string of at most 960 characters, such as String(user.id); received 7',
    ],
    ['no owner', { owner: '' }, 'owner has to be a non-empty, well-formed string'],
    ['seconds', { expiresAt: 1_700_000_000 }, 'such as new Date(exp * 1000) of a JWT'],
    [
      'tags',
      { tags: 'a' },
      'tags have to be an array, each a non-empty, well-formed string of at most 960 characters; received "a"',
    ],
    ['a name', { user: 'ada' }, 'received "user"'],
    ['a string', 'ada', 'an identity is an object'],
  ])('refuses an identity that is none: %s', async (_, identity, message) => {
    const { connect } = await start({ identify: () => identity, openTimeout: 1_000 });
    expect((await connect('/topics/a')).status).toBe(500);
    expect(bench.logs.find('error', message)).not.toEqual([]);
    expect(asked).toEqual([]);
  });

  it('refuses what a handler adds in the same way, and its connection elsewhere', async () => {
    const { app, connect } = await start({ openTimeout: 1_000 });
    expect((await connect('/bad', 'ada', { 'x-identity': '{"owner":7}' })).status).toBe(500);
    expect(bench.logs.find('error', '@SseConnection().identify(): owner')).not.toEqual([]);
    if (bench.isHttp2) return;
    expect((await fetch(`${await app.getUrl()}/plain`)).status).toBe(500);
    expect(bench.logs.find('error', '@SseConnection() is for parameters of @Sse()')).not.toEqual(
      [],
    );
    expect((await fetch(`${await app.getUrl()}/rooms/7`, { method: 'HEAD' })).status).toBe(200);
  });

  it('ends a connection when it expires, and lets nobody in who has', async () => {
    const expiresAt = new Date(Date.now() + 150);
    const { connect, connections, bus } = await start({ identify: () => ({ expiresAt }) });
    const client = await connect('/topics/a');
    await client.closed;
    expect(Date.now()).toBeGreaterThanOrEqual(expiresAt.getTime());
    expect(connections.ended.expired).toBe(1);
    asked = [];
    await (
      await connect('/topics/a')
    ).closed;
    expect(asked).toEqual([]);
    expect(connections.ended.expired).toBe(2);
    await bus.publish('a', { data: 1 });
    expect(connections.count).toBe(0);
  });

  it.each([{ owner: 'ada' }, { topic: 'a' }, { tag: 'room.7' }] as const)(
    'ends those that are meant, after what was published before, and no other: %j',
    async (target) => {
      const { connect, connections, bus } = await start();
      const path = 'tag' in target ? '/rooms/7' : '/topics/a';
      const meant = await connect(path, 'ada');
      const other = await connect('tag' in target ? '/rooms/8' : '/topics/b', 'grace');
      void bus.publish(['a', 'b', 'rooms'], { data: 'last' });
      await connections.closeEverywhere(target);
      expect((await meant.next()).data).toBe('last');
      await meant.closed;
      const again = await connect(path, 'ada');
      await bus.publish(['a', 'b', 'rooms'], { data: 'still' });
      expect((await again.next()).data).toBe('still');
      expect((await other.take(2)).map(({ data }) => data)).toEqual(['last', 'still']);
      expect(connections.ended.closed).toBe(1);
    },
  );

  it.each(['/topics/a', '/mapped/a', '/rooms/7'])(
    'gives them nothing that was published after: %s',
    async (path) => {
      const { connect, connections, bus } = await start();
      const clients = [await connect(path, 'ada'), await connect(path, 'ada')];
      const published = [bus.publish(['a', 'rooms'], { data: 'before' })];
      await connections.closeEverywhere({ owner: 'ada' });
      published.push(bus.publish(['a', 'rooms'], { data: 'after' }));
      await Promise.all([...published, ...clients.map(({ closed }) => closed)]);
      for (const client of clients) {
        expect((await client.next()).data).toBe('before');
        await expect(client.next()).rejects.toThrow('the response has ended');
      }
    },
  );

  it('can be ordered in an operator, in the middle of a round', async () => {
    const { connect, connections, bus } = await start();
    const clients = [await connect('/closing/a', 'ada'), await connect('/topics/a', 'ada')];
    await bus.publish('a', { data: 'last' });
    for (const client of clients) {
      expect((await client.next()).data).toBe('last');
      await client.closed;
    }
    expect(connections.ended.closed).toBe(2);
  });

  it('leaves one alone that expires in a far future', async () => {
    const { connect, connections, bus } = await start({
      identify: () => ({ expiresAt: new Date(8.64e15) }),
    });
    const client = await connect('/topics/a');
    await bus.publish('a', { data: 1 });
    expect((await client.next()).data).toBe('1');
    expect(connections.ended.expired).toBe(0);
  });

  it('ends one by its id, and has the guards asked anew about an owner', async () => {
    const { connect, connections } = await start();
    const [one, two, three] = [
      await connect('/topics/a', 'ada'),
      await connect('/topics/a', 'ada'),
      await connect('/topics/a', 'grace'),
    ];
    await connections.closeEverywhere({ id: connections.list()[0]?.id ?? '' });
    await one.closed;
    expect(connections.count).toBe(2);
    await connections.reauthorize('ada');
    await two.closed;
    expect(connections.ended).toMatchObject({ closed: 1, expired: 1 });
    expect(connections.count).toBe(1);
    three.close();
  });

  it('ends one that was let in before, and opened after', async () => {
    const { connect, connections } = await start();
    const connecting = connect('/guarded/a', 'ada');
    await until('its guard was asked', () => asked.length === 1);
    await connections.closeEverywhere({ owner: 'ada' });
    guard.release();
    await (
      await connecting
    ).closed;
    expect(asked).toEqual(['guard']);
    expect(connections.ended.closed).toBe(1);
  });

  it('ends one that had not named its topic when it was ordered', async () => {
    const { connect, connections } = await start({ openTimeout: 5_000 });
    const connecting = connect('/slow/a', 'ada');
    await until('its handler was asked', () => asked.length === 1);
    await connections.closeEverywhere({ topic: 'a' });
    await connections.closeEverywhere({ topic: 'b' });
    await turns();
    handler.release();
    await (
      await connecting
    ).closed;
    expect(connections.ended.closed).toBe(1);
  });

  it.each(['slow', 'joining'])(
    'ends one that opens its topic after the order, when it was open before: %s',
    async (route) => {
      const { connect, connections, bus } = await start();
      const client = await connect(`/${route}/a`, 'ada');
      await connections.closeEverywhere({ topic: 'a' });
      await connections.closeEverywhere({ topic: 'b' });
      handler.release();
      for (const topic of ['door', 'a']) void bus.publish(topic, { data: 'secret' });
      await client.closed;
      expect(client.text).not.toContain('secret');
      expect(connections.ended.closed).toBe(1);
      const again = await connect(`/${route}/a`, 'ada');
      await bus.publish('door', { data: 'open' });
      await turns();
      await bus.publish('a', { data: 'still' });
      expect((await again.next()).data).toBe('still');
    },
  );

  it.each([undefined, {}, { owner: '' }, { owner: 7 }, { user: 'a' }, { owner: 'a', tag: 'b' }])(
    'refuses a target that is none: %j',
    async (target) => {
      const { connections } = await start();
      await expect(connections.closeEverywhere(target as never)).rejects.toMatchObject({
        code: 'BAD_OPTION',
        message: expect.stringContaining(
          'takes { owner }, { topic }, { tag } or { id }, exactly one',
        ),
      });
    },
  );

  it('tells of connections that are opened, and of their end', async () => {
    const { connect, connections, bus } = await start();
    const opened: ConnectionInfo[] = [];
    const ended: EndedConnection[] = [];
    connections.opened$.subscribe((info) => opened.push(info));
    connections.ended$.subscribe((end) => ended.push(end));
    const client = await connect('/rooms/7', 'ada');
    await bus.publish('rooms', { data: 'x' });
    await client.next();
    expect(opened).toMatchObject([{ owner: 'ada', tags: ['room.7'], topics: ['rooms'] }]);
    await connections.closeEverywhere({ owner: 'ada' });
    await until('it has ended', () => ended.length === 1);
    expect(ended).toMatchObject([
      {
        connection: { id: opened[0]?.id, owner: 'ada', topics: ['rooms'] },
        reason: 'closed',
        bytes: connections.list().length + Buffer.byteLength(client.text) - 1,
        wasOpened: true,
      },
    ]);
    expect(ended[0]?.duration).toBeGreaterThan(0);
    await connect('/bad', 'ada', { 'x-identity': '7' });
    expect(ended.at(-1)).toMatchObject({ reason: 'error', bytes: 0, wasOpened: false });
    expect(opened).toHaveLength(1);
  });
});
