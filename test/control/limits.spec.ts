import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  type ExecutionContext,
  type INestApplication,
  type MessageEvent,
  Sse,
} from '@nestjs/common';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { Observable } from 'rxjs';
import {
  EventBus,
  SseConnection,
  SseConnections,
  SseModule,
  type SseModuleOptions,
} from 'nestjs-event-stream';
import { Bench, type Client, eachAdapter, onExpress } from '../support/each-adapter.js';
import { until } from '../support/until.js';

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Sse('named')
  named(@SseConnection() connection: SseConnection): Observable<MessageEvent> {
    connection.identify({ owner: 'named' });
    return this.bus.stream('news');
  }
}

const identify = (context: ExecutionContext) => ({
  owner: context.switchToHttp().getRequest<{ headers: Record<string, string> }>().headers['x-user'],
});

type SetUp = (app: INestApplication) => unknown;

const LONG = 25_000;

eachAdapter((bench) => {
  async function start(limits: SseModuleOptions['limits']) {
    const app = await bench.start({
      controllers: [Routes],
      sse: { identify, limits, openTimeout: 20 },
    });
    const connect = async (user?: string, path = '/news') => {
      const client = await bench.connect(app, path, user ? { headers: { 'x-user': user } } : {});
      await until('it is open', () => client.retry !== undefined);
      return client;
    };
    return { connect, bus: app.get(EventBus), connections: app.get(SseConnections) };
  }

  async function expectRefused(client: Client): Promise<void> {
    await client.closed;
    expect(client.status).toBe(200);
    expect(client.retry).toBeGreaterThanOrEqual(LONG);
    expect(client.text).not.toContain('event:');
  }

  it('refuses an owner one more, until one of theirs has gone', async () => {
    const { connect, connections } = await start({ perOwner: 2 });
    const first = await connect('ada');
    await connect('ada');
    const refused = [await connect('ada'), await connect('ada'), await connect('ada')];
    for (const client of refused) await expectRefused(client);
    // Drawn at random, or all who are refused would come back together.
    expect(new Set(refused.map(({ retry }) => retry)).size).toBeGreaterThan(1);
    await connect('grace');
    expect(connections.ended.refused).toBe(3);
    first.close();
    await until('it has gone', () => connections.count === 2);
    await connect('ada');
    expect(connections.count).toBe(3);
  });

  it('ends the oldest in the place of one more, and says so first', async () => {
    const { connect, bus, connections } = await start({ perOwner: 2, then: 'closeOldest' });
    const [first, second] = [await connect('ada'), await connect('ada')];
    const third = await connect('ada');
    const closed = await first.next('closed');
    expect(JSON.parse(closed.data)).toEqual({ reason: 'replaced' });
    await first.closed;
    expect(first.retry).toBeGreaterThanOrEqual(LONG);
    expect(connections.ended).toMatchObject({ replaced: 1 });
    await bus.publish('news', { data: 'still' });
    for (const client of [second, third]) expect((await client.next()).data).toBe('still');
  });

  it('counts an address, whoever it is, and nobody who has no owner otherwise', async () => {
    const { connect } = await start({ perOwner: 1, perAddress: 3 });
    for (const user of [undefined, undefined, 'ada']) await connect(user);
    await expectRefused(await connect('grace'));
  });

  it('counts for whom the handler says that it is', async () => {
    const { connect, connections } = await start({ perOwner: 1 });
    await connect(undefined, '/named');
    await expectRefused(await connect('named'));
    await expectRefused(await connect('ada', '/named'));
    // What it was before it was known to be another's counts no more.
    await connect('ada');
    expect(connections.count).toBe(2);
  });

  describe('without identify', () => {
    async function visit(paths: string[], sse: SseModuleOptions) {
      const app = await bench.start({ controllers: [Routes], sse });
      for (const path of paths) {
        const client = await bench.connect(app, path);
        await until('it is open', () => client.retry !== undefined);
        client.close();
        await until('it has gone', () => app.get(SseConnections).count === 0);
      }
      return bench.logs.find('warn', 'limits.perOwner does not count it');
    }

    it('says once that nobody has an owner, and how to say who it is', async () => {
      expect(await visit(['/news', '/news'], { limits: { perOwner: 1 } })).toEqual([
        expect.stringContaining('by identify of SseModule.forRoot() or by @SseConnection()'),
      ]);
    });

    it.each([
      ['the handler says it of some', ['/named', '/news'], { limits: { perOwner: 1 } }],
      ['addresses are counted alone', ['/news'], { limits: { perAddress: 1 } }],
      ['identify says that they have none', ['/news'], { limits: { perOwner: 1 }, identify }],
    ])('says nothing where %s', async (_, paths, sse) => {
      expect(await visit(paths, sse)).toEqual([]);
    });
  });
});

const proxied: [string, Bench, SetUp][] = [
  [
    'Express',
    new Bench(() => new ExpressAdapter()),
    (made) => (made as NestExpressApplication).set('trust proxy', true),
  ],
  ['Fastify', new Bench(() => new FastifyAdapter({ trustProxy: true })), () => {}],
];

describe.each(proxied)('on %s', (_, bench, configure) => {
  afterEach(() => bench.stop());

  it('counts the addresses that trusted proxies tell', async () => {
    const sse = { limits: { perAddress: 1 } };
    const app = await bench.start({ controllers: [Routes], sse, configure });
    const connect = async (address: string) => {
      const client = await bench.connect(app, '/news', { headers: { 'x-forwarded-for': address } });
      await until('it is open', () => client.retry !== undefined);
      return client;
    };
    await connect('192.0.2.1');
    await connect('192.0.2.2');
    expect((await connect('192.0.2.1')).retry).toBeGreaterThanOrEqual(LONG);
    expect(app.get(SseConnections).list()[0]?.remoteAddress).toBe('192.0.2.1');
  });
});

const bench = onExpress();

it.each([
  {},
  { perOwner: 0 },
  { perOwner: 1, then: 'close' },
  { perOwner: false, perAddress: false },
  { perUser: 1 },
  { perOwner: 1, lease: 1 },
])('refuses limits that are none: %j', async (limits) => {
  const sse = SseModule.forRoot({ limits: limits as never });
  await expect(bench.start({ controllers: [Routes], sse })).rejects.toMatchObject({
    code: 'BAD_OPTION',
    message: expect.stringContaining('limits'),
  });
});
