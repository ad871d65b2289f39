import { describe, expect, it } from '@jest/globals';
import {
  Controller,
  type INestApplication,
  type MessageEvent,
  NotFoundException,
  Param,
  Sse,
} from '@nestjs/common';
import { EventBus, SseConnection } from 'nestjs-event-stream';
import {
  SsePresence,
  SsePresenceModule,
  type SsePresenceOptions,
} from 'nestjs-event-stream/presence';
import { merge, type Observable, throwError } from 'rxjs';
import { PRESENCE_TOPIC } from '../../src/presence/presence-log.js';
import { Reception } from '../../src/presence/reception.js';
import { onExpress } from '../support/each-adapter.js';
import { turns, until } from '../support/until.js';
import { as, identify, RoomsController, RoomView } from './rooms.js';

let nextOwner: string | undefined;

@Controller()
class CornersController {
  constructor(private readonly bus: EventBus) {}

  @Sse('any')
  any(@SseConnection() connection: SseConnection): Observable<MessageEvent> {
    connection.identify({ owner: nextOwner });
    return this.bus.stream('room.any');
  }

  @Sse('many/:count')
  many(@Param('count') count: string): Observable<MessageEvent> {
    const rooms = Array.from({ length: Number(count) }, (_, n) => `room.${n}`);
    return this.bus.stream(rooms);
  }

  @Sse('separate/:count')
  separate(@Param('count') count: string): Observable<MessageEvent> {
    const rooms = Array.from({ length: Number(count) }, (_, n) => this.bus.stream(`room.${n}`));
    return merge(...rooms);
  }

  @Sse('failing')
  failing(): Observable<MessageEvent> {
    return merge(
      this.bus.stream('room.failing'),
      throwError(() => new NotFoundException()),
    );
  }

  @Sse('fleeting')
  fleeting(): Observable<MessageEvent> {
    this.bus.stream('room.fleeting').subscribe().unsubscribe();
    return this.bus.stream('other');
  }
}

describe('presence in its corners', () => {
  const bench = onExpress();

  const start = (options: Partial<SsePresenceOptions> = {}): Promise<INestApplication> =>
    bench.start({
      imports: [SsePresenceModule.forRoot({ topics: ['**'], grace: 0, ...options })],
      controllers: [RoomsController, CornersController],
      sse: { identify, openTimeout: 200 },
    });
  const countOf = async (app: INestApplication, topic: string) =>
    (await app.get(SsePresence).list(topic)).count;
  const isForgotten = (app: INestApplication) => () => {
    const { roster, topics } = app.get(Reception);
    return roster.rooms.size === 0 && topics === 0;
  };

  it.each([
    ['a name of the prototype', '__proto__'],
    ['another', 'constructor'],
    ['a number', '42'],
    ['spaces', ' 1 2 '],
    ['a line break', 'a\nb\r\nc'],
    ['JSON', '["room.any","ada"]'],
    ['a retention', '999999999999999~'],
    ['the longest', '\u{1f600}'.repeat(480)],
  ])('takes any owner, and lets them go: %s', async (_, owner) => {
    const app = await start();
    const view = new RoomView(await bench.connect(app, '/windows/any', as('eve')));
    await view.shows();
    nextOwner = owner;
    const client = await bench.connect(app, '/any', as('somebody'));
    await view.shows(owner);
    client.close();
    await view.shows();
    await until('nobody is known', isForgotten(app));
  });

  it.each(['/many/1000', '/separate/300'])('takes one who is in many rooms: %s', async (path) => {
    const app = await start();
    const client = await bench.connect(app, path, as('ada'));
    const count = Number(path.split('/')[2]);
    const { roster } = app.get(Reception);
    await until('ada is in all of them', () => roster.rooms.size === count);
    client.close();
    await until('nobody is known', isForgotten(app));
  });

  it('has nobody there of a stream that fails while it opens, of one that is left at once, and of a HEAD request', async () => {
    const app = await start();
    const told: unknown[] = [];
    const types = app.get(EventBus).follow(PRESENCE_TOPIC);
    types.subscribe(({ type }) => told.push(type));
    expect((await bench.connect(app, '/failing', as('ada'))).status).toBe(404);
    await bench.connect(app, '/fleeting', as('bob'));
    const head = await bench.connect(app, '/silent/7', { ...as('cleo'), method: 'HEAD' });
    await head.closed;
    await turns();
    const view = new RoomView(await bench.connect(app, '/windows/7', as('eve')));
    await bench.connect(app, '/silent/7', as('dan'));
    await view.shows('dan');
    expect(await countOf(app, 'room.failing')).toBe(0);
    expect(await countOf(app, 'room.fleeting')).toBe(0);
    expect(view.log).toEqual(['members ', 'join dan']);
  });

  it('names exactly as many as maxMembers, and counts one more', async () => {
    const app = await start({ maxMembers: 4 });
    const view = new RoomView(await bench.connect(app, '/windows/7', as('eve')));
    const clients = [];
    for (const user of ['ada', 'bob', 'cleo', 'dan'])
      clients.push(await bench.connect(app, '/silent/7', as(user)));
    await view.shows('ada', 'bob', 'cleo', 'dan');
    expect(view.log).toHaveLength(5);
    clients.push(await bench.connect(app, '/silent/7', as('finn')));
    await view.showsCount(5);
    clients[4]?.close();
    await view.showsCount(4);
    clients[3]?.close();
    await view.showsCount(3);
    clients[2]?.close();
    await view.shows('ada', 'bob');
  });

  it('refuses more of a member than an event may have, and says so', async () => {
    const app = await start({
      describe: (owner) => (owner === 'ada' ? 'x'.repeat(2 ** 21) : owner),
    });
    await bench.connect(app, '/silent/7', as('ada'));
    await bench.connect(app, '/silent/7', as('bob'));
    await until('bob is there', async () => (await countOf(app, 'room.7')) === 1);
    expect(bench.logs.find('error', '').join()).toContain('maxEventBytes');
  });
});
