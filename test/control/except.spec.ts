import { expect, it } from '@jest/globals';
import { Controller, type ExecutionContext, type MessageEvent, Sse } from '@nestjs/common';
import { map, type Observable } from 'rxjs';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { eachAdapter } from '../support/each-adapter.js';
import { until } from '../support/until.js';

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('direct')
  direct(): Observable<MessageEvent> {
    return this.bus.stream('room');
  }

  @Sse('mapped')
  mapped(): Observable<MessageEvent> {
    return this.bus.stream('room').pipe(map((event) => ({ ...event })));
  }
}

const identify = (context: ExecutionContext) => ({
  owner: context.switchToHttp().getRequest<{ headers: Record<string, string> }>().headers['x-user'],
});

eachAdapter((bench) => {
  async function start(heartbeatInterval: number | false = 50) {
    const app = await bench.start({
      controllers: [Routes],
      sse: { identify, openTimeout: 20, heartbeatInterval },
    });
    const connect = async (path: string, user: string, lastEventId?: string) => {
      const client = await bench.connect(app, path, { headers: { 'x-user': user }, lastEventId });
      await until('it reads', () => client.lastEventId !== '');
      return client;
    };
    return { connect, bus: app.get(EventBus), connections: app.get(SseConnections) };
  }

  it.each(['/direct', '/mapped'])(
    'leaves out an owner, whose cursor moves on, in whatever burst it comes: %s',
    async (path) => {
      const { connect, bus } = await start();
      const [sender, other] = [await connect(path, 'ada'), await connect(path, 'grace')];
      const except = { owner: 'ada' };
      await bus.publish('room', { data: 'first' });
      await sender.next();
      void bus.publish('room', { data: 'a' });
      void bus.publish('room', { data: 'b' }, { except });
      void bus.publish('room', { data: 'c' }, { except });
      await bus.publish('room', { data: 'd' });
      expect((await sender.take(2)).map(({ data }) => data)).toEqual(['a', 'd']);
      const all = await other.take(5);
      expect(all.map(({ data }) => data)).toEqual(['first', 'a', 'b', 'c', 'd']);
      const last = await bus.publish('room', { data: 'e' }, { except });
      await until('a heartbeat tells its place', () => sender.lastEventId === last);
      const again = await connect(path, 'ada', all[0]?.lastEventId);
      expect((await again.take(2)).map(({ data }) => data)).toEqual(['a', 'd']);
    },
  );

  it('leaves out one connection', async () => {
    const { connect, bus, connections } = await start(false);
    const [tab, other] = [await connect('/direct', 'ada'), await connect('/direct', 'ada')];
    const [{ id } = { id: '' }] = connections.list();
    void bus.publish('room', { data: 'a' }, { except: { connection: id } });
    void bus.publish('room', { data: 'b' }, { except: { connection: 'elsewhere-1' } });
    expect((await tab.next()).data).toBe('b');
    expect((await other.take(2)).map(({ data }) => data)).toEqual(['a', 'b']);
  });

  it.each([{}, { owner: '' }, { owner: 7 }, { user: 'ada' }, 'ada', null])(
    'refuses an exception that is none: %j',
    async (except) => {
      const { bus } = await start();
      await expect(
        bus.publish('room', { data: 1 }, { except: except as never }),
      ).rejects.toMatchObject({ code: 'BAD_OPTION' });
    },
  );
});
