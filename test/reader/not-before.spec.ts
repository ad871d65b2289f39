import { describe, expect, it } from '@jest/globals';
import { Controller, type MessageEvent, Query, Sse } from '@nestjs/common';
import { map, merge, type Observable } from 'rxjs';
import { EventBus, type History, type SseEvent, type StreamOptions } from 'nestjs-event-stream';
import { eachAdapter, onExpress } from '../support/each-adapter.js';
import { until } from '../support/until.js';

let options: StreamOptions[] = [];
const reasons: string[] = [];

const welcome = {
  snapshot: ({ reason }: { reason: string }) => {
    reasons.push(reason);
    return [{ type: 'state', data: reason }];
  },
};

@Controller()
class Rooms {
  constructor(private readonly bus: EventBus) {}

  /** The way from the log to the socket, or through an operator. */
  @Sse('room')
  room(@Query('mapped') mapped?: string): Observable<MessageEvent> {
    const room = this.bus.stream('room', options[0]);
    return mapped === undefined ? room : room.pipe(map((event) => ({ ...event })));
  }

  @Sse('rooms')
  rooms(): Observable<MessageEvent> {
    const both = options.map((each, index) => this.bus.stream(`room.${index}`, each));
    return merge(...both);
  }
}

eachAdapter((bench) => {
  /** Three events from before somebody was let in, and two from after. */
  async function start() {
    options = [];
    reasons.length = 0;
    const app = await bench.start({ controllers: [Rooms] });
    const bus = app.get<EventBus>(EventBus);
    const ids: string[] = [];
    const say = async (data: string) => ids.push(await bus.publish('room', { data }));
    for (const data of ['secret 1', 'secret 2', 'secret 3', 'hello 4', 'hello 5']) await say(data);
    return { app, bus, ids, joined: ids[2] ?? '' };
  }

  describe.each(['/room', '/room?mapped'])('notBefore on %s', (path) => {
    it.each<[string, number | undefined, string | undefined]>([
      ['a client that came before', 0, undefined],
      ['a client from the boundary itself', 2, undefined],
      ["from: 'earliest'", undefined, 'earliest'],
      ['from: a cursor from before', undefined, 'cursor'],
    ])('begins at the boundary for %s, without a gap', async (_, lastEvent, from) => {
      const { app, ids, joined } = await start();
      options = [{ notBefore: joined, from: from === 'cursor' ? ids[0] : from }];
      const lastEventId = lastEvent === undefined ? undefined : ids[lastEvent];
      const client = await bench.connect(app, path, { lastEventId });
      await until('the first frame', () => client.lastEventId !== '');
      const events = await client.take(2);
      expect(events.map(({ type, data }) => [type, data])).toEqual([
        ['message', 'hello 4'],
        ['message', 'hello 5'],
      ]);
      expect(client.text).toContain(`id: ${joined}\n\n`);
      expect(client.text).not.toMatch(/secret|gap/);
    });

    it('changes nothing for a client from behind it', async () => {
      const { app, ids, joined } = await start();
      options = [{ notBefore: joined }];
      const client = await bench.connect(app, path, { lastEventId: ids[3] });
      expect((await client.next()).data).toBe('hello 5');
    });

    it('does not let a cursor that no log issued past it', async () => {
      const { app, bus, joined } = await start();
      options = [{ notBefore: joined, from: 'earliest' }];
      for (const lastEventId of ['rubbish', `${joined.split('.')[0]}.0`, '0.1', 'zzzz.1']) {
        const client = await bench.connect(app, path, { lastEventId });
        const last = await bus.publish('room', { data: 'now' });
        while ((await client.next()).lastEventId !== last);
        expect(client.text).not.toContain('secret');
        client.close();
      }
    });

    it('holds for events that are still to come, if the boundary is ahead', async () => {
      const { app, bus } = await start();
      const [epoch] = bus.head.split('.');
      options = [{ notBefore: `${epoch}.7`, from: 'earliest' }];
      const client = await bench.connect(app, path);
      await until('the first frame', () => client.lastEventId !== '');
      for (const data of ['secret 6', 'secret 7', 'hello 8']) await bus.publish('room', { data });
      expect((await client.next()).data).toBe('hello 8');
      expect(client.text).not.toContain('secret');
    });
  });
});

describe('notBefore', () => {
  const bench = onExpress();

  async function start(history?: Partial<History>) {
    options = [];
    reasons.length = 0;
    const app = await bench.start({ controllers: [Rooms], sse: { history } });
    return { app, bus: app.get<EventBus>(EventBus) };
  }

  it('is no gap though what was before it is lost, and what was lost behind it is one', async () => {
    const { app, bus } = await start({ maxEvents: 2 });
    const first = await bus.publish('room', { data: 'secret' });
    const joined = await bus.publish('room', { data: 'secret' });
    await bus.publish('room', { data: 'one' });
    await bus.publish('room', { data: 'two' });
    await until('it is trimmed', async () => {
      options = [{}];
      const client = await bench.connect(app, '/room', { lastEventId: first });
      return (await client.next()).type === 'gap';
    });
    options = [{ notBefore: joined }];
    const client = await bench.connect(app, '/room', { lastEventId: first });
    expect((await client.take(2)).map(({ data }) => data)).toEqual(['one', 'two']);
    options = [{ notBefore: first }];
    const other = await bench.connect(app, '/room', { lastEventId: `${first.split('.')[0]}.0` });
    expect((await other.next()).type).toBe('gap');
  });

  it.each([
    ['in the tail', undefined],
    ['beyond the tail', { maxEvents: 2, topics: [{ match: 'room' }] }],
  ])('keeps nobody away for an end that is before it, %s', async (_, history) => {
    const { app, bus } = await start(history);
    const old = await bus.publish('room', { data: 'done' });
    const joined = await bus.publish('other', { data: 'joined' });
    for (const data of '123') await bus.publish('noise', { data });
    const isDone = ({ data }: SseEvent) => data === 'done';
    options = [{ from: 'start', notBefore: joined, until: isDone }];
    for (const lastEventId of [undefined, old, joined, bus.head]) {
      const client = await bench.connect(app, '/room', { lastEventId });
      expect(client.status).toBe(200);
      client.close();
    }
    const client = await bench.connect(app, '/room', { lastEventId: joined });
    const done = await bus.publish('room', { data: 'done' });
    expect((await client.next()).lastEventId).toBe(done);
    await client.closed;
    expect((await bench.connect(app, '/room', { lastEventId: done })).status).toBe(204);
  });

  it('asks for a snapshot of a room for a client from before it, who has nothing of it yet', async () => {
    const { app, bus } = await start();
    const first = await bus.publish('other', { data: 1 });
    const joined = await bus.publish('room', { data: 'joined' });
    const later = await bus.publish('other', { data: 2 });
    options = [{ ...welcome, notBefore: joined }];
    const client = await bench.connect(app, '/room', { lastEventId: first });
    expect(await client.next()).toMatchObject({ type: 'state', data: 'new' });
    const resumed = await bench.connect(app, '/room', { lastEventId: later });
    await bus.publish('room', { data: 'live' });
    expect((await resumed.next()).data).toBe('live');
    expect(reasons).toEqual(['new']);
  });

  it("is each stream's own: one is read from the client's place, another from its boundary", async () => {
    const { app, bus } = await start();
    const ids: string[] = [];
    for (const n of [1, 2, 3, 4]) ids.push(await bus.publish(['room.0', 'room.1'], { data: n }));
    for (const n of [5, 6]) await bus.publish('room.1', { data: n });
    options = [{}, { notBefore: await bus.publish('room.1', { data: 7 }) }];
    await bus.publish('room.1', { data: 8 });
    const client = await bench.connect(app, '/rooms', { lastEventId: ids[1] });
    expect((await client.take(3)).map(({ data }) => data)).toEqual(['3', '4', '8']);
    expect(client.text).not.toContain('gap');
  });

  it('of a log that is gone holds nothing back', async () => {
    const { app, bus } = await start();
    for (const epoch of ['0000', 'zzzz']) {
      options = [{ notBefore: `${epoch}.9`, from: 'earliest' }];
      await bus.publish('room', { data: epoch });
      const client = await bench.connect(app, '/room');
      let { data } = await client.next();
      while (data !== epoch) ({ data } = await client.next());
    }
  });

  it('holds outside of connections too', async () => {
    const { bus } = await start();
    await bus.publish('room', { data: 'secret' });
    const notBefore = await bus.publish('room', { data: 'secret' });
    await bus.publish('room', { data: 'hello' });
    const received: SseEvent[] = [];
    bus.stream('room', { from: 'earliest', notBefore }).subscribe((event) => received.push(event));
    await until('an event', () => received.length > 0);
    expect(received.map(({ data }) => data)).toEqual(['hello']);
  });
});
