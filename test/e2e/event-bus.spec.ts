import { describe, expect, it } from '@jest/globals';
import type { MessageEvent } from '@nestjs/common';
import {
  EventBus,
  matching,
  type NewEvent,
  SseError,
  type SseEvent,
  type StreamOptions,
} from 'nestjs-event-stream';
import type { Observable } from 'rxjs';
import { onExpress } from '../support/each-adapter.js';
import { until } from '../support/until.js';

const bench = onExpress();

async function startBus(): Promise<EventBus> {
  return (await bench.start({})).get(EventBus);
}

async function rejection(promise: Promise<unknown>): Promise<SseError> {
  const reason: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(reason instanceof SseError)) throw new Error(`No SseError: ${String(reason)}`);
  return reason;
}

it('resolves a publish with its cursor, one after the other, and its head is the last of them', async () => {
  const bus = await startBus();
  const cursors = await Promise.all([1, 2, 3].map((data) => bus.publish('a', { data })));
  const [epoch] = bus.head.split('.');
  expect(cursors).toEqual([`${epoch}.1`, `${epoch}.2`, `${epoch}.3`]);
  expect(bus.head).toBe(cursors[2]);
});

describe('refuses in publish, with a rejection and never a throw,', () => {
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  const events: [string, unknown, RegExp][] = [
    ['a line feed in the type', { type: 'a\nb', data: 1 }, /line break.*"a\\nb"/],
    ['a carriage return in the type', { type: 'a\rdata: x', data: 1 }, /line break/],
    ['the type gap', { type: 'gap', data: 1 }, /'gap' is reserved/],
    ['the type exception', { type: 'exception', data: 1 }, /'exception' is reserved/],
    ['a type that is no string', { type: 7, data: 1 }, /type is a string: received 7/],
    ['no data', { type: 'a' }, /JSON can hold: received undefined/],
    ['a function', { data: () => 1 }, /JSON can hold: received a function/],
    ['a BigInt', { data: 1n }, /JSON can hold.*BigInt/],
    ['a cycle', { data: cycle }, /JSON can hold.*circular/],
    ['data whose toJSON throws', { data: { toJSON: () => JSON.parse('{') as unknown } }, /JSON/],
    ['a key that is no string', { data: 1, key: 5 }, /key is a string: received 5/],
    ['no event at all', undefined, /An event is an object.*received undefined/],
  ];
  it.each(events)('%s', async (_, event, message) => {
    const bus = await startBus();
    const error = await rejection(bus.publish('a', event as NewEvent));
    expect(error.code).toBe('BAD_EVENT');
    expect(error.message).toMatch(message);
    expect(bus.head).toMatch(/\.0$/);
  });

  it.each([[''], [[]], [['a', '']], [undefined], [7], ['\uD800']])(
    'the topic %j',
    async (topic) => {
      const bus = await startBus();
      const error = await rejection(bus.publish(topic as string, { data: 1 }));
      expect(error.code).toBe('BAD_TOPIC');
    },
  );

  it('everything once the application has shut down', async () => {
    const app = await bench.start({});
    const bus = app.get(EventBus);
    await app.close();
    expect((await rejection(bus.publish('a', { data: 1 }))).code).toBe('BACKPLANE_CLOSED');
  });
});

describe('refuses in stream', () => {
  it.each([[''], [[]], [undefined]])('the topic %j', async (topic) => {
    const bus = await startBus();
    expect(() => bus.stream(topic as unknown as string)).toThrow(/topic/);
  });

  it('a matcher among topics', async () => {
    const bus = await startBus();
    const topics = ['a', matching('b.*')] as unknown as string[];
    expect(() => bus.stream(topics)).toThrow('merge(bus.stream(topics), bus.stream(matcher))');
  });

  it.each([
    [{ since: 1 }, "received 'since'"],
    [
      { from: 5 },
      "from has to be 'now', 'earliest', 'start', a cursor, { last: n } or a Date; received 5",
    ],
    [
      { from: 'latest' },
      "from has to be 'now', 'earliest', 'start', a cursor, { last: n } or a Date; received \"latest\"",
    ],
    [{ from: '' }, 'from has to be'],
    [{ notBefore: 'now' }, 'notBefore has to be a cursor'],
    [{ notBefore: 7 }, 'notBefore has to be a cursor'],
    [{ from: 'now', snapshot: () => [] }, 'not both'],
    [{ where: true }, 'where has to be a function; received true'],
    [{ latestPerKey: 1 }, 'latestPerKey has to be true or false; received 1'],
  ])('the options %j', async (options, message) => {
    const bus = await startBus();
    expect(() => bus.stream('a', options as unknown as StreamOptions)).toThrow(message);
  });

  it.each(['orders*', 'a.**.b', '', 'a..b', '.'])('the pattern %j', (pattern) => {
    expect(() => matching(pattern)).toThrow(/a segment is a literal/);
  });
});

it('gives subscribers what JSON gives back, frozen and the same for all of them', async () => {
  const bus = await startBus();
  const received: SseEvent[][] = [[], []];
  for (const events of received) bus.stream('a').subscribe((event) => events.push(event));
  const data = { at: new Date(0), gone: undefined, list: [{ n: 1 }] };
  await bus.publish('a', { data });
  data.list[0] = { n: 2 };
  await until('both events', () => received.every(({ length }) => length === 1));
  const [one, two] = received.map(([event]) => event);
  expect(one?.data).toEqual({ at: '1970-01-01T00:00:00.000Z', list: [{ n: 1 }] });
  expect(two).toBe(one);
  expect(Object.isFrozen(one) && Object.isFrozen((one?.data as typeof data).list[0])).toBe(true);
  expect(Object.keys(one ?? {}).sort()).toEqual(['data', 'id']);
});

it('matches by segments: * for one, a last ** for the rest', async () => {
  const bus = await startBus();
  const received: Record<string, string[]> = {};
  for (const pattern of ['a.*', 'a.*.c', 'a.**', '*.b', 'a.b']) {
    received[pattern] = [];
    bus.stream(matching(pattern)).subscribe(({ topics }) => received[pattern]?.push(...topics));
  }
  for (const topic of ['a', 'a.b', 'a.b.c', 'a.x', 'z.b', 'a+b', 'a.b\nc']) {
    await bus.publish(topic, { data: topic });
  }
  await until('the last one', () => received['a.**']?.length === 4);
  expect(received).toEqual({
    'a.*': ['a.b', 'a.x', 'a.b\nc'],
    'a.*.c': ['a.b.c'],
    'a.**': ['a.b', 'a.b.c', 'a.x', 'a.b\nc'],
    '*.b': ['a.b', 'z.b'],
    'a.b': ['a.b'],
  });
});

it('goes on with the others when one subscriber throws', async () => {
  const bus = await startBus();
  const received: unknown[] = [];
  bus
    .stream('a', {
      where: () => {
        throw new Error('bad where');
      },
    })
    .subscribe();
  bus.stream('a').subscribe(({ data }) => received.push(data));
  await bus.publish('a', { data: 'one' });
  await bus.publish('a', { data: 'two' });
  await until('both', () => received.length === 2);
  expect(bench.logs.find('error', 'bad where')).toHaveLength(1);
});

it('checks types: events that the application declares, and Nest takes what stream() gives', async () => {
  interface Events {
    progress: { percent: number };
    message: string;
  }
  const bus = (await startBus()) as unknown as EventBus<Events>;
  await bus.publish('a', { type: 'progress', data: { percent: 1 } });
  await bus.publish('a', { data: 'no type is a message' });
  // @ts-expect-error percent is a number
  await bus.publish('a', { type: 'progress', data: { percent: '1' } });
  // @ts-expect-error there is no such type
  await bus.publish('a', { type: 'regress', data: 1 });
  const stream: Observable<MessageEvent> = bus.stream('a');
  expect(stream).toBeDefined();
});
