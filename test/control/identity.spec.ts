import { describe, expect, it, jest } from '@jest/globals';
import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  Injectable,
  type MessageEvent,
  Module,
  Sse,
  UnauthorizedException,
  UseGuards,
} from '@nestjs/common';
import type { Observable } from 'rxjs';
import {
  EventBus,
  type Identity,
  SseConnection,
  SseConnections,
  SseModule,
} from 'nestjs-event-stream';
import { onExpress } from '../support/each-adapter.js';
import { elapse, until } from '../support/until.js';

let guarded = 0;
let latest: SseConnection | undefined;

@Injectable()
class CountingGuard implements CanActivate {
  canActivate(): boolean {
    guarded++;
    return true;
  }
}

@Controller()
class NewsController {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  @UseGuards(CountingGuard)
  news(@SseConnection() connection: SseConnection): Observable<MessageEvent> {
    latest = connection;
    return this.bus.stream('news');
  }
}

/** What an application knows of its users. */
@Injectable()
class Users {
  async find(name: string | undefined): Promise<Identity> {
    await elapse(1);
    return { owner: `user-${name}`, tags: ['found'] };
  }
}

@Module({ providers: [Users], exports: [Users] })
class UsersModule {}

function userOf(context: ExecutionContext): string | undefined {
  const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
  return headers['x-user'];
}

describe('identify', () => {
  const bench = onExpress();
  const routes = { controllers: [NewsController], providers: [CountingGuard] };
  const start = (identify: () => unknown, more = {}) =>
    bench.start({
      ...routes,
      sse: { identify: identify as () => Identity, openTimeout: 20, ...more },
    });

  it('has what forRootAsync injects', async () => {
    const sse = SseModule.forRootAsync({
      imports: [UsersModule],
      inject: [Users],
      useFactory: (users: Users) => ({
        identify: (context: ExecutionContext) => users.find(userOf(context)),
      }),
    });
    const app = await bench.start({ ...routes, sse });
    const client = await bench.connect(app, '/news', { headers: { 'x-user': 'ada' } });
    await app.get(EventBus).publish('news', { data: 1 });
    await client.next();
    expect(app.get(SseConnections).list()).toMatchObject([{ owner: 'user-ada', tags: ['found'] }]);
  });

  it('has the answer wait for what it says, and opens nothing before', async () => {
    let refuse: (error: Error) => void = () => {};
    const app = await start(() => new Promise((_, reject) => (refuse = reject)));
    const opened: unknown[] = [];
    app.get(SseConnections).opened$.subscribe((info) => opened.push(info));
    const connecting = bench.connect(app, '/news');
    await until('it was asked', () => app.get(SseConnections).count === 1);
    await elapse(100);
    refuse(new UnauthorizedException());
    expect((await connecting).status).toBe(401);
    expect(opened).toEqual([]);
  });

  it('may hang for as long as it likes, and lets the application end', async () => {
    const app = await start(() => new Promise(() => {}));
    const connecting = bench.connect(app, '/news');
    await until('it was asked', () => app.get(SseConnections).count === 1);
    await app.close();
    await (
      await connecting
    ).closed;
    expect(app.get(SseConnections).ended).toMatchObject({ drain: 1 });
  });

  it.each([
    ['no date', { expiresAt: new Date(NaN) }],
    ['milliseconds', { expiresAt: Date.now() + 1_000 }],
    ['null', { owner: null }],
    ['half a character', { owner: 'a\ud800' }],
    ['too long an owner', { owner: 'a'.repeat(961) }],
    ['too long a tag', { tags: ['a'.repeat(961)] }],
    ['an empty tag', { tags: [''] }],
    ['a list', []],
  ])('is refused with what it may say: %s', async (_, identity) => {
    const app = await start(() => identity, { openTimeout: 1_000 });
    expect((await bench.connect(app, '/news')).status).toBe(500);
    expect(bench.logs.find('error', 'SseModule: identify()')).not.toEqual([]);
  });

  it('has a client that comes back after its end pass the guards, and go on where it was', async () => {
    const app = await start(() => ({ owner: 'ada', expiresAt: new Date(Date.now() + 60_000) }));
    guarded = 0;
    const client = await bench.connect(app, '/news');
    await app.get(EventBus).publish('news', { data: 'before' });
    expect((await client.next()).data).toBe('before');
    latest?.identify({ expiresAt: new Date() });
    await client.closed;
    expect(client.status).toBe(200);
    expect(client.retry).toBeLessThanOrEqual(5_000);
    await app.get(EventBus).publish('news', { data: 'missed' });
    const again = await bench.connect(app, '/news', { lastEventId: client.lastEventId });
    expect((await again.next()).data).toBe('missed');
    expect(guarded).toBe(2);
    expect(app.get(SseConnections).ended).toMatchObject({ expired: 1 });
  });

  it('sets no timer for an expiry', async () => {
    const app = await start(() => ({ expiresAt: new Date(Date.now() + 3_600_000) }));
    await bench.connect(app, '/news');
    const timers = [jest.spyOn(globalThis, 'setTimeout'), jest.spyOn(globalThis, 'setInterval')];
    try {
      for (let n = 0; n < 10; n++) await bench.connect(app, '/news');
      const waits = timers.flatMap(({ mock }) => mock.calls.map(([, wait]) => wait ?? 0));
      expect(waits.filter((wait) => wait > 60_000)).toEqual([]);
    } finally {
      for (const timer of timers) timer.mockRestore();
    }
    expect(app.get(SseConnections).count).toBe(11);
  });
});
