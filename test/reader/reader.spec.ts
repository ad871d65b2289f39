import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import {
  bufferCount,
  concatMap,
  delay,
  delayWhen,
  filter,
  map,
  merge,
  of,
  Subject,
  switchMap,
} from 'rxjs';
import type { SseEvent } from 'nestjs-event-stream';
import { HeldOffsets } from '../../src/reader/held-offsets.js';
import { Instance, turns } from './recording-connection.js';

afterEach(() => {
  jest.restoreAllMocks();
});

function isData(wanted: unknown): (event: SseEvent) => boolean {
  return ({ data }) => data === wanted;
}

describe('A reader with several streams', () => {
  it('sends an event of two of them once, held by one operator or by two', async () => {
    const { bus, ...instance } = await open();
    const gates = [new Subject<void>(), new Subject<void>()] as const;
    const held = (gate: Subject<void>) => delayWhen<SseEvent>(() => gate);
    const one = instance.connect(() =>
      merge(bus.stream('a'), bus.stream('b')).pipe(held(gates[0])),
    );
    const two = instance.connect(() =>
      merge(bus.stream('a').pipe(held(gates[0])), bus.stream('b').pipe(held(gates[1]))),
    );
    await turns();
    await bus.publish(['a', 'b'], { data: 'once' });
    for (const gate of gates) {
      await turns();
      gate.next();
    }
    await turns();
    expect([one.data, two.data]).toEqual([['once'], ['once']]);
    one.beat();
    two.beat();
    expect([one.told, two.told]).toEqual([1, 1]);
  });

  it('tells no id past what one of them holds, when another emits the same event', async () => {
    const { bus, ...instance } = await open();
    const gate = new Subject<void>();
    const connection = instance.connect(() =>
      merge(bus.stream('b').pipe(delayWhen(() => gate)), bus.stream('a').pipe(delay(1))),
    );
    await turns();
    await bus.publish('b', { data: 'held' });
    await bus.publish(['a', 'b'], { data: 'both' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    connection.beat();
    expect([connection.data, connection.told]).toEqual([['both'], 0]);
    gate.next();
    connection.beat();
    expect([connection.data, connection.told]).toEqual([['both', 'held'], 2]);
  });

  it('reads on at the same place when one takes the place of another, also before it has begun', async () => {
    const { bus, ...instance } = await open();
    const switching = new Subject<void>();
    const connection = instance.connect(() => {
      const stream = bus.stream('a');
      return switching.pipe(switchMap(() => stream));
    });
    switching.next();
    void bus.publish('a', { data: 1 });
    switching.next();
    await turns();
    void bus.publish('a', { data: 2 });
    switching.next();
    await turns();
    expect(connection.data).toEqual(['1', '2']);
  });

  it('reads on from its cursor in a topic whose older events are gone', async () => {
    const { bus, log, ...instance } = await open({ maxEvents: 3 });
    const switching = new Subject<number>();
    for (let count = 0; count < 3; count++) await bus.publish('b', { data: 'old' });
    const connection = instance.connect(() => {
      const streams = [bus.stream('a'), bus.stream('b')];
      return switching.pipe(switchMap((index) => streams[index] ?? []));
    });
    switching.next(0);
    await turns();
    connection.isReady = false;
    for (const data of [1, 2]) await bus.publish('b', { data });
    await turns();
    expect(log.lost).toBe(2);
    connection.isReady = true;
    switching.next(1);
    await turns();
    expect(connection.data).toEqual(['1', '2']);
  });

  it('goes on with one that began at the head, when what came before it is trimmed', async () => {
    const { bus, ...instance } = await open({ maxEvents: 3 });
    for (const data of [1, 2]) await bus.publish('b', { data });
    const connection = instance.connect(() =>
      merge(bus.stream('a', { from: 'earliest' }), bus.stream('b')),
    );
    connection.isReady = false;
    await turns();
    for (const data of [3, 4, 5]) await bus.publish('b', { data });
    await turns();
    connection.isReady = true;
    connection.schedule();
    await turns();
    expect(connection.data).toEqual(['3', '4', '5']);
  });
});

describe('A floor', () => {
  it('settles everything before what comes out, and is held by what a filter drops', async () => {
    const { bus, ...instance } = await open();
    const connection = instance.connect(() => bus.stream('a').pipe(filter(isData('yes'))));
    await turns();
    await bus.publish('a', { data: 'no' });
    await turns();
    connection.beat();
    expect(connection.told).toBe(0);
    await bus.publish('a', { data: 'yes' });
    await turns();
    expect([connection.data, connection.told]).toEqual([['yes'], 2]);
  });

  it('does not grow with what is never seen again', () => {
    const floor = new HeldOffsets();
    for (let offset = 10; offset <= 1_000_000; offset += 2) floor.hand(offset);
    expect([floor.value, floor.holds(10), floor.holds(1_000_000), floor.holds(9)]).toEqual([
      9,
      true,
      true,
      false,
    ]);
    floor.settle(500);
    expect(floor.value).toBe(500);
    floor.settle(1_000_000);
    expect([floor.value, floor.holdsAny]).toEqual([Infinity, false]);
    floor.hand(1_000_001);
    expect(floor.value).toBe(1_000_000);
  });

  it.each([
    ['concatMap', concatMap((event: SseEvent) => of({ ...event, data: 'x' }).pipe(delay(1)))],
    ['delay', delay<SseEvent>(1)],
  ])('is settled by what an asynchronous %s passes on with its id', async (_, operator) => {
    const { bus, ...instance } = await open();
    const connection = instance.connect(() => bus.stream('a').pipe(operator));
    await turns();
    for (const data of [1, 2]) await bus.publish('a', { data });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect([connection.data.length, connection.told]).toEqual([2, 2]);
  });

  it('is not settled by messages without an id, of which one warning tells', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => {});
    const { bus, ...instance } = await open();
    const connection = instance.connect(() =>
      bus.stream('a').pipe(
        delay(1),
        bufferCount(1),
        map((list) => ({ data: list.length })),
      ),
    );
    await turns();
    for (const data of [1, 2]) await bus.publish('a', { data });
    await new Promise((resolve) => setTimeout(resolve, 20));
    connection.beat();
    expect([connection.data, connection.told, warn.mock.calls.length]).toEqual([['1', '1'], 0, 1]);
    expect(String(warn.mock.calls[0]?.[0])).toContain('{ ...event, data }');
  });

  it('is not passed by an id that a message brings from beyond the reader', async () => {
    const { bus, ...instance } = await open();
    const start = bus.head;
    for (const data of [1, 2, 3]) await bus.publish('a', { data });
    const connection = instance.connect(
      () => merge(bus.stream('a'), of({ id: bus.head, data: 'state' })),
      start,
    );
    connection.isReady = false;
    await turns();
    expect([connection.data, connection.told]).toEqual([['state'], 0]);
  });
});

describe('A snapshot', () => {
  it('respects back-pressure, and is whole before anything else follows', async () => {
    const { bus, ...instance } = await open();
    const events = Array.from({ length: 50 }, (_, index) => ({ data: `s${index}` }));
    const connection = instance.connect(() => bus.stream('a', { snapshot: () => events }));
    await turns();
    expect(connection.data).toHaveLength(50);
    const slow = instance.connect(() => bus.stream('a', { snapshot: () => events }));
    slow.write = (frame) => {
      slow.frames.push(frame.toString());
      slow.isReady = slow.data.length % 10 !== 0;
    };
    await turns();
    await bus.publish('a', { data: 'live' });
    await turns();
    expect([slow.data.length, slow.told]).toEqual([10, undefined]);
    for (let count = 0; count < 6; count++) {
      slow.isReady = true;
      slow.schedule();
      await turns();
    }
    expect([slow.data.length, slow.data.at(-1), slow.told]).toEqual([51, 'live', 1]);
  });

  it('that is empty gives the client its place all the same', async () => {
    const { bus, ...instance } = await open();
    const connection = instance.connect(() => bus.stream('a', { snapshot: () => [] }));
    await turns();
    expect([connection.data, connection.told]).toEqual([[], 0]);
  });

  it.each([
    ['rejects', () => Promise.reject(new Error('no state'))],
    [
      'throws',
      () => {
        throw new Error('no state');
      },
    ],
  ])('that %s ends the stream with that error', async (_, snapshot) => {
    const { bus, ...instance } = await open();
    const connection = instance.connect(() => bus.stream('a', { snapshot }));
    await turns();
    expect(connection.error).toEqual(new Error('no state'));
    expect(connection.told).toBeUndefined();
  });

  it('is asked for again when the log changes while it is owed', async () => {
    const { bus, log, ...instance } = await open();
    const asked: string[] = [];
    const answers: ((events: { data: string }[]) => void)[] = [];
    const connection = instance.connect(() =>
      bus.stream('a', {
        snapshot: ({ reason }) => {
          asked.push(reason);
          return new Promise((resolve) => answers.push(resolve));
        },
      }),
    );
    await turns();
    log.reset('other', 0);
    answers.shift()?.([{ data: 'of the log that is gone' }]);
    await turns();
    answers.shift()?.([{ data: 'new' }]);
    await turns();
    expect(asked).toEqual(['new', 'gap']);
    expect(connection.data.slice(1)).toEqual(['new']);
    expect(connection.frames.at(-1)).toContain('id: other.0\n');
  });
});

describe('latestPerKey', () => {
  it('skips what is replaced, while catching up only', async () => {
    const { bus, ...instance } = await open();
    const start = bus.head;
    for (const data of [1, 2, 3]) await bus.publish('a', { data, key: 'k' });
    await bus.publish('a', { data: 'no key' });
    await bus.publish('b', { data: 'other topic', key: 'k' });
    const connection = instance.connect(
      () => bus.stream(['a', 'b'], { latestPerKey: true }),
      start,
    );
    await turns();
    expect(connection.data).toEqual(['3', 'no key', 'other topic']);
    for (const data of [4, 5]) void bus.publish('a', { data, key: 'k' });
    await turns();
    expect(connection.data.slice(3)).toEqual(['4', '5']);
  });

  it('does not skip for an event that `where` drops', async () => {
    const { bus, ...instance } = await open();
    const start = bus.head;
    for (const data of [1, 2]) await bus.publish('a', { data, key: 'k' });
    const connection = instance.connect(
      () => bus.stream('a', { latestPerKey: true, where: ({ data }) => (data as unknown) !== 2 }),
      start,
    );
    await turns();
    expect(connection.data).toEqual(['1']);
  });

  it('skips for a slow client as well', async () => {
    const { bus, ...instance } = await open();
    const connection = instance.connect(() => bus.stream('a', { latestPerKey: true }));
    await turns();
    connection.isReady = false;
    for (const data of [1, 2]) await bus.publish('a', { data, key: 'k' });
    await turns();
    connection.isReady = true;
    connection.schedule();
    await turns();
    expect(connection.data).toEqual(['2']);
  });
});

describe('`where`', () => {
  it('that throws is logged once for a stream', async () => {
    const error = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => {});
    const { bus, ...instance } = await open();
    const connection = instance.connect(() =>
      bus.stream('a', {
        where: ({ data }) => {
          if (data === 'bad') throw new Error('where');
          return true;
        },
      }),
    );
    await turns();
    for (const data of ['bad', 'bad', 'good']) await bus.publish('a', { data });
    await turns();
    expect([connection.data, connection.told, error.mock.calls.length]).toEqual([['good'], 3, 1]);
  });
});

describe('A message that JSON cannot hold', () => {
  it('is dropped and logged, and the client does not come back to its event', async () => {
    const error = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => {});
    const { bus, ...instance } = await open();
    const connection = instance.connect(() => bus.stream('a').pipe(map(() => ({ data: 10n }))));
    await turns();
    await bus.publish('a', { data: 'x' });
    await turns();
    expect([connection.data, connection.told, error.mock.calls.length]).toEqual([[], 1, 1]);
  });
});

describe('A stream outside of any connection', () => {
  it('is an ordinary live Observable, on which a gap is an event', async () => {
    const { bus, log } = await open({ maxEvents: 1 });
    await bus.publish('a', { data: 'before' });
    const seen: unknown[] = [];
    const subscription = bus.stream('a').subscribe(({ type, data }) => seen.push(type ?? data));
    await turns();
    await bus.publish('a', { data: 'live' });
    await turns();
    log.lose(log.head + 3);
    await turns();
    expect(seen).toEqual(['live', 'gap']);
    subscription.unsubscribe();
    expect(log.indexOf('a').observer).toBeUndefined();
  });

  it('lets others have their turn while its subscriber publishes to its own topic', async () => {
    const { bus, log } = await open({ maxEvents: 5 });
    let isOver = false;
    let seen = 0;
    const subscription = bus.stream('a').subscribe(() => {
      if (++seen < 10_000 && !isOver) void bus.publish('a', { data: 'more' });
    });
    await turns();
    await bus.publish('a', { data: 'first' });
    await turns();
    isOver = true;
    expect(seen).toBeGreaterThan(1);
    expect(seen).toBeLessThan(1_000);
    expect(log.length).toBeLessThan(20);
    subscription.unsubscribe();
  });

  it('has what it publishes itself as soon as it can, and all of it', async () => {
    const { bus } = await open({ maxEvents: 5 });
    const seen: unknown[] = [];
    const done = new Promise((resolve) => {
      bus.stream('a').subscribe(({ data }) => {
        seen.push(data);
        if (Number(data) === 100) resolve(undefined);
        else void bus.publish('a', { data: Number(data) + 1 });
      });
    });
    await turns();
    await bus.publish('a', { data: 0 });
    await done;
    expect(seen).toEqual(Array.from({ length: 101 }, (_, index) => index));
  });
});

describe('A stream whose operators publish to its own topic', () => {
  it('lets others have their turn, also where nothing comes out', async () => {
    const instance = await open();
    const { bus } = instance;
    let isOver = false;
    let seen = 0;
    const more = () => {
      if (++seen < 10_000 && !isOver) void bus.publish('a', { data: 'more' });
      return false;
    };
    const connection = instance.connect(() => bus.stream('a').pipe(filter(more)));
    await turns();
    await bus.publish('a', { data: 'first' });
    await turns();
    isOver = true;
    expect(seen).toBeGreaterThan(1);
    expect(seen).toBeLessThan(1_000);
    connection.leave();
  });
});

async function open(history: Parameters<typeof Instance.open>[0] = {}) {
  const instance = await Instance.open(history);
  const { bus, log } = instance;
  const connect: Instance['connect'] = (streams, lastEventId) =>
    instance.connect(streams, lastEventId);
  return { bus, log, connect };
}
