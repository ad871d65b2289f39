import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, type INestApplication, Inject, type MessageEvent, Sse } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  Backplane,
  type BackplaneHealth,
  EventBus,
  type EventRecord,
  type LogSink,
  matching,
  SseConnections,
  SseModule,
  type SseModuleOptions,
} from 'nestjs-event-stream';
import { connectSse, type SseTestClient } from 'nestjs-event-stream/testing';
import { delayWhen, interval, map, merge, type Observable, Subject, switchMap, take } from 'rxjs';

type Handler = (bus: EventBus) => Observable<unknown>;
const HANDLER = Symbol('handler');

@Controller()
class RuleController {
  constructor(
    private readonly bus: EventBus,
    @Inject(HANDLER) private readonly handler: Handler,
  ) {}

  @Sse('stream')
  stream(): Observable<MessageEvent> {
    return this.handler(this.bus) as Observable<MessageEvent>;
  }
}

/** A backplane of several instances, whose order of events the test decides. */
class ManualBackplane extends Backplane {
  sink: LogSink | undefined;
  readonly published: EventRecord[] = [];
  /** Everything has come that was ordered before. */
  onCaughtUp = () => {};
  override readonly health: BackplaneHealth = {
    isConnected: true,
    lastReadAt: undefined,
    lagEvents: 0,
    lagMs: 0,
  };

  override async open(sink: LogSink): Promise<void> {
    sink.reset('E', 0);
    this.sink = sink;
  }

  override async publish(record: EventRecord): Promise<string> {
    return `E.${this.published.push(record)}`;
  }

  override catchUp({ atOnce = false } = {}): Promise<void> {
    if (atOnce) return Promise.resolve();
    return new Promise((resolve) => (this.onCaughtUp = resolve));
  }

  override async close(): Promise<void> {}

  /** What another instance published, or this one, comes back. */
  bring(record: EventRecord | undefined): void {
    if (record !== undefined) this.sink?.append(this.sink.head + 1, record);
  }
}

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('What is promised, on %s', (_, adapter) => {
  let app: INestApplication;
  const clients: SseTestClient[] = [];

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await app.close();
  });

  async function serve(handler: Handler, options: SseModuleOptions = {}): Promise<EventBus> {
    const module = await Test.createTestingModule({
      imports: [SseModule.forRoot({ retry: { min: 7, max: 7 }, ...options })],
      controllers: [RuleController],
      providers: [{ provide: HANDLER, useValue: handler }],
    }).compile();
    app = module.createNestApplication(adapter(), { logger: false });
    await app.listen(0, '127.0.0.1');
    return app.get(EventBus);
  }

  async function connect(lastEventId?: string): Promise<SseTestClient> {
    const client = await connectSse(app, '/stream', { lastEventId });
    clients.push(client);
    return client;
  }

  /** Waits until the client knows this place. */
  async function reaches(client: SseTestClient, id: string): Promise<void> {
    await until(() => client.lastEventId === id);
  }

  it('1. Order: an instance delivers only what comes back from the backplane, its own events too', async () => {
    const backplane = new ManualBackplane();
    const bus = await serve(() => bus.stream('a'), { backplane, heartbeatInterval: 10 });
    const client = await connect();
    await bus.publish('a', { data: 'ours' });
    await until(() => client.comments >= 2);
    expect(client.text).not.toContain('ours');
    backplane.bring({ topics: ['a'], text: 'theirs', isJson: false });
    backplane.bring(backplane.published[0]);
    expect((await client.take(2)).map(({ data }) => data)).toEqual(['theirs', 'ours']);
  });

  it('3. Each event once: cursors only grow, and an event of several topics arrives once', async () => {
    const bus = await serve(() => merge(bus.stream(['a', 'b']), bus.stream('b')));
    const client = await connect();
    await bus.publish(['a', 'b'], { data: 1 });
    await bus.publish('b', { data: 2 });
    const last = await bus.publish('a', { data: 3 });
    const events = await client.take(3);
    expect(events.map(({ data }) => data)).toEqual(['1', '2', '3']);
    await reaches(client, last);
    const offsets = [...client.text.matchAll(/^id: \w+\.(\d+)$/gm)].map(([, digits]) =>
      Number(digits),
    );
    expect(offsets).toEqual([...new Set(offsets)].sort((one, other) => one - other));
  });

  it('3. Each event once: only streams that were mapped differently send two messages', async () => {
    const bus = await serve(() =>
      merge(
        bus.stream('a').pipe(map(({ data }) => ({ data: { first: data } }))),
        bus.stream('b').pipe(map(({ data }) => ({ data: { second: data } }))),
      ),
    );
    const client = await connect();
    const id = await bus.publish(['a', 'b'], { data: 1 });
    const [first, second] = await client.take(2);
    expect([first?.json(), second?.json()]).toEqual([{ first: 1 }, { second: 1 }]);
    expect(first?.lastEventId).not.toBe(id);
    await reaches(client, id);
  });

  it('1. Order: several streams on one connection share one reader, log order across all of them, one cursor', async () => {
    const late = new Subject<void>();
    const bus = await serve(() => {
      const joining = bus.stream('c');
      return merge(bus.stream('a'), bus.stream('b'), late.pipe(switchMap(() => joining)));
    });
    const start = bus.head;
    for (const topic of ['a', 'b', 'b', 'a', 'b']) await bus.publish(topic, { data: topic });
    const client = await connect(start);
    expect((await client.take(5)).map(({ data }) => data)).toEqual(['a', 'b', 'b', 'a', 'b']);
    await bus.publish('c', { data: 'too early' });
    const before = await bus.publish('a', { data: 'before' });
    expect((await client.next()).lastEventId).toBe(before);
    late.next();
    await turns();
    await bus.publish('c', { data: 'c' });
    const last = await bus.publish('b', { data: 'b' });
    expect((await client.take(2)).map(({ data }) => data)).toEqual(['c', 'b']);
    expect(client.lastEventId).toBe(last);
  });

  it('2. No silent hole: the first frame carries retry and the cursor that this connection reads from, and dispatches nothing', async () => {
    const bus = await serve(() => bus.stream('a'));
    const cursor = await bus.publish('a', { data: 1 });
    const head = await bus.publish('b', { data: 2 });
    const fresh = await connect();
    await reaches(fresh, head);
    expect(fresh.text.trimStart()).toBe(`retry: 7\nid: ${head}\n\n`);
    const back = await connect(cursor);
    await reaches(back, cursor);
    expect(back.text.trimStart()).toMatch(new RegExp(`^retry: 7\nid: ${cursor}\n\n`));
  });

  it('2. No silent hole: the first frame has no id without a bus stream', async () => {
    await serve(() => interval(5).pipe(map((data) => ({ data }))));
    const client = await connect();
    await client.take(2);
    expect(client.text.trimStart()).toMatch(/^retry: 7\n\n/);
    expect(client.text).not.toContain('id:');
  });

  it('2. No silent hole: heartbeats carry the cursor up to which everything was delivered or was not for this client', async () => {
    const bus = await serve(() => bus.stream('a', { where: ({ data }) => data !== 'no' }), {
      heartbeatInterval: 10,
    });
    const client = await connect();
    await bus.publish('a', { data: 'no' });
    const id = await bus.publish('b', { data: 'not for this client' });
    await reaches(client, id);
    expect(client.text).not.toContain('data:');
  });

  it('5. An id never overtakes an event that operators hold', async () => {
    const gate = new Subject<void>();
    const bus = await serve(() => bus.stream('a').pipe(delayWhen(() => gate)), {
      heartbeatInterval: 10,
    });
    const start = bus.head;
    const client = await connect();
    const held = await bus.publish('a', { data: 'held' });
    const head = await bus.publish('b', { data: 'not for this client' });
    await until(() => client.comments >= 3);
    expect(client.lastEventId).toBe(start);
    gate.next();
    expect((await client.next()).lastEventId).toBe(held);
    await reaches(client, head);
  });

  it('5. An id never overtakes an event: without the id of its event, a message is repeated, not lost', async () => {
    const bus = await serve(() =>
      bus.stream('a').pipe(
        delayWhen(() => turns()),
        map(({ data }) => ({ data })),
      ),
    );
    const start = bus.head;
    const client = await connect();
    await bus.publish('a', { data: 'again' });
    expect(await client.next()).toMatchObject({ data: 'again', lastEventId: start });
    client.close();
    const back = await connect(client.lastEventId);
    expect((await back.next()).data).toBe('again');
  });

  it('4. A gap is about your topics: trimmed, then the oldest that the log has; only for topics that lost something', async () => {
    const bus = await serve(() => bus.stream('a'), { history: { maxEvents: 2 } });
    const start = bus.head;
    await bus.publish('a', { data: 1 });
    const seen = await bus.publish('a', { data: 2 });
    for (let count = 0; count < 2; count++) await bus.publish('b', { data: 'other' });
    await turns();
    const client = await connect(start);
    const gap = await client.next();
    expect(gap.type).toBe('gap');
    expect(gap.json()).toEqual({ reason: 'trimmed', requested: start, resumedAt: seen });
    expect(gap.lastEventId).toBe(seen);
    const covered = await connect(seen);
    await bus.publish('a', { data: 3 });
    expect((await client.next()).data).toBe('3');
    expect((await covered.next()).data).toBe('3');
  });

  it('2. No silent hole: a gap of another epoch, then the oldest that the log has', async () => {
    const bus = await serve(() => bus.stream('a'));
    await bus.publish('a', { data: 1 });
    const client = await connect('another-log.7');
    expect((await client.next()).json()).toMatchObject({
      reason: 'epoch',
      requested: 'another-log.7',
    });
    expect((await client.next()).data).toBe('1');
  });

  it.each([
    ['malformed', 'nonsense'],
    ['huge', `${'9'.repeat(20)}.${'9'.repeat(400)}`],
    ['never issued', 'E.99'],
  ])('2. No silent hole: a gap, unknown (%s), then as a new client', async (_, cursor) => {
    const bus = await serve(() => bus.stream('a'));
    const head = await bus.publish('a', { data: 'before' });
    const requested = cursor.replace('E', head.split('.')[0] ?? '');
    const client = await connect(requested);
    const gap = await client.next();
    expect(gap.json()).toEqual({
      reason: 'unknown',
      requested: requested.slice(0, 128),
      resumedAt: head,
    });
    await bus.publish('a', { data: 'after' });
    expect((await client.next()).data).toBe('after');
  });

  it('2. No silent hole: a cursor ahead of this instance is no gap: wait', async () => {
    const backplane = new ManualBackplane();
    await serve((bus) => bus.stream('a'), { backplane });
    const client = await connect('E.2');
    await reaches(client, 'E.2');
    for (const text of ['1', '2', '3']) backplane.bring({ topics: ['a'], text, isJson: true });
    expect(await client.next()).toMatchObject({ type: 'message', data: '3', lastEventId: 'E.3' });
  });

  it('2. No silent hole: a gap, unknown, when a cursor ahead of this instance cannot come any more', async () => {
    const backplane = new ManualBackplane();
    await serve((bus) => bus.stream('a'), { backplane, heartbeatInterval: 10 });
    const client = await connect('F.2');
    await reaches(client, 'F.2');
    await until(() => client.comments >= 2);
    expect(client.text.trimStart()).toMatch(/^retry: 7\nid: F\.2\n\n(:\s*\n\n)+$/);
    backplane.onCaughtUp();
    const gap = { reason: 'unknown', requested: 'F.2', resumedAt: 'E.0' };
    expect((await client.next()).json()).toEqual(gap);
  });

  it('9. Snapshot and live events join without a window: what is published meanwhile follows', async () => {
    const asked: string[] = [];
    const gate = new Subject<void>();
    const bus = await serve(() =>
      bus.stream('a', {
        snapshot: ({ reason }) => {
          asked.push(reason);
          const state = [{ data: 'one' }, { data: 'two' }];
          return new Promise((resolve) => gate.pipe(take(1)).subscribe(() => resolve(state)));
        },
      }),
    );
    const start = bus.head;
    const client = await connect();
    await until(() => asked.length === 1);
    const id = await bus.publish('a', { data: 'three' });
    expect(client.text).not.toContain('id:');
    gate.next();
    const [one, two, three] = await client.take(3);
    expect([one?.data, two?.data, three?.data]).toEqual(['one', 'two', 'three']);
    expect([one?.lastEventId, two?.lastEventId, three?.lastEventId]).toEqual(['', start, id]);
    expect(asked).toEqual(['new']);
  });

  it('9. Snapshot and live events: a client with a gap gets the snapshot, and no id before its last event', async () => {
    const asked: string[] = [];
    const bus = await serve(() =>
      bus.stream('a', {
        snapshot: ({ reason }) => {
          asked.push(reason);
          return [{ data: 'one' }, { data: 'two' }];
        },
      }),
    );
    const head = await bus.publish('a', { data: 'covered by the snapshot' });
    const client = await connect('another-log.7');
    const [gap, one, two] = await client.take(3);
    expect([gap?.type, one?.data, two?.data]).toEqual(['gap', 'one', 'two']);
    expect([gap?.lastEventId, one?.lastEventId, two?.lastEventId]).toEqual(['', '', head]);
    expect(asked).toEqual(['gap']);
  });

  it('7. Slow clients cost nobody anything: what is not of its topics is not even looked at', async () => {
    let looks = 0;
    const bus = await serve(() =>
      bus.stream('mine', {
        where: () => {
          looks++;
          return true;
        },
      }),
    );
    const start = bus.head;
    for (let count = 0; count < 2_000; count++) {
      await bus.publish(count % 500 === 0 ? 'mine' : `other.${count % 10}`, { data: count });
    }
    const client = await connect(start);
    const events = await client.take(4);
    expect(events.map(({ data }) => data)).toEqual(['0', '500', '1000', '1500']);
    expect(looks).toBe(4);
  });

  it('7. Slow clients cost nobody anything, and broken ones too: a where that throws drops that event for that stream', async () => {
    const bus = await serve(() =>
      merge(
        bus
          .stream('a', {
            where: ({ data }) => {
              if (data === 'bad') throw new Error('where');
              return true;
            },
          })
          .pipe(map(({ data }) => ({ data: ['first', data] }))),
        bus.stream('a').pipe(map(({ data }) => ({ data: ['second', data] }))),
      ),
    );
    const client = await connect();
    await bus.publish('a', { data: 'bad' });
    await bus.publish('a', { data: 'good' });
    const received = (await client.take(3)).map((event) => event.json());
    expect(received).toEqual([
      ['second', 'bad'],
      ['first', 'good'],
      ['second', 'good'],
    ]);
  });

  it('6. A cursor resumes any stream: other topics, patterns, several streams', async () => {
    const bus = await serve(() => merge(bus.stream(matching('b.*')), bus.stream('c')));
    await bus.publish('b.1', { data: 'before' });
    const cursor = await bus.publish('a', { data: 'a' });
    await bus.publish('b.2', { data: 'b' });
    await bus.publish('a', { data: 'not theirs' });
    const last = await bus.publish('c', { data: 'c' });
    const client = await connect(cursor);
    expect((await client.take(2)).map(({ data }) => data)).toEqual(['b', 'c']);
    expect(client.lastEventId).toBe(last);
  });

  it('7. Slow clients cost nobody anything: nothing is queued for one, and it reads on from its cursor', async () => {
    const bus = await serve(() => bus.stream('a'), { stallTimeout: false });
    const request = get(`${await app.getUrl()}/stream`);
    const [slow] = (await once(request, 'response')) as [IncomingMessage];
    slow.pause();
    const quick = await connect();
    const large = 'x'.repeat(500_000);
    for (let n = 0; n < 40; n++) {
      await bus.publish('a', { type: `n${n}`, data: large });
      expect((await quick.next()).type).toBe(`n${n}`);
    }
    const [first] = app.get(SseConnections).list();
    expect(first).toMatchObject({ isBehind: true });
    expect(first?.bytes).toBeLessThan(35 * large.length);
    const types: string[] = [];
    for await (const piece of slow.setEncoding('latin1')) {
      const found = String(piece).matchAll(/n(\d+)\n/g);
      for (const [, n] of found) types.push(n ?? '');
      if (types.includes('39')) break;
    }
    expect(types).toEqual(Array.from({ length: 40 }, (_, n) => `${n}`));
  });

  it('8. publish resolves when the log has the event, with its cursor; it rejects otherwise, and never throws', async () => {
    const bus = await serve(() => bus.stream('a', { from: 'earliest' }));
    const cursor = await bus.publish('a', { data: 1 });
    expect(bus.head).toBe(cursor);
    await expect(bus.publish('a', { data: 1n })).rejects.toMatchObject({ code: 'BAD_EVENT' });
    await expect(bus.publish('', { data: 1 })).rejects.toMatchObject({ code: 'BAD_TOPIC' });
    expect(bus.head).toBe(cursor);
    const client = await connect();
    expect(await client.next()).toMatchObject({ lastEventId: cursor, data: '1' });
  });

  it("10. Nothing that is published can break the stream's format", async () => {
    const bus = await serve(() => bus.stream('a'));
    const client = await connect();
    const cursor = await bus.publish('a', { data: 'one\nid: 7\r\n\revent: gap\n\n' });
    expect(await client.next()).toMatchObject({
      lastEventId: cursor,
      type: 'message',
      data: 'one\nid: 7\n\nevent: gap\n\n',
    });
    for (const type of ['a\nb', 'a\rb', 'gap']) {
      const publication = bus.publish('a', { type, data: 1 });
      await expect(publication).rejects.toMatchObject({ code: 'BAD_EVENT' });
    }
  });
});

/** Those after it, about presence and runs, have theirs in test/presence and test/runs. */
const LAST_HERE = 18;

it('Each promise of docs/delivery.md about the log and what is kept has a test that is named after it', () => {
  const page = readFileSync('docs/delivery.md', 'utf8');
  const [, promised = ''] = /## What is promised\n([\s\S]*?)\n## /.exec(page) ?? [];
  const all = [...promised.matchAll(/^(\d+)\. \*\*(.+?)\*\*/gm)];
  const promises = all.slice(0, LAST_HERE);
  expect(promises.map(([, number]) => Number(number))).toEqual(promises.map((_, at) => at + 1));
  const names = ['promises', 'kept']
    .map((name) => readFileSync(`test/promises/${name}.spec.ts`, 'utf8'))
    .join('\n')
    .replaceAll('`', '');
  const beginnings = promises.map(([, number, words = '']) => {
    const [, beginning = ''] = /^((?:\S+ ?){1,3})/.exec(words.replaceAll('`', '')) ?? [];
    return `${number}. ${beginning.replace(/[.:, ]+$/, '')}`;
  });
  expect(beginnings).toHaveLength(LAST_HERE);
  expect(beginnings.filter((beginning) => !names.includes(beginning))).toEqual([]);
  const numbers = [...names.matchAll(/^ +(?:it\(|\]\)\()['"](\d+)\. /gm)].map(([, n]) => Number(n));
  expect([...new Set(numbers)].sort((a, b) => a - b)).toEqual(promises.map((_, at) => at + 1));
});

/** Waits for what a client takes in silence, and for nothing longer than five seconds. */
async function until(isSo: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error('It did not come to be so');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** A few turns of the event loop: everything that was published before has been read, and the log trimmed. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
}
