import { expect, it } from '@jest/globals';
import { Inject, Injectable } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { firstValueFrom, map, type Observable, take, toArray } from 'rxjs';
import { z } from 'zod';
import { EventBus, type SseError } from 'nestjs-event-stream';
import { recordingBus } from 'nestjs-event-stream/testing';

interface ShopEvents {
  paid: { id: number; at: Date };
  message: string;
}

@Injectable()
class Orders {
  constructor(@Inject(EventBus) private readonly bus: EventBus<ShopEvents>) {}

  async pay(id: number): Promise<void> {
    await this.bus.publish('orders', { type: 'paid', data: { id, at: new Date(0) } });
  }

  paidIds(): Observable<number | undefined> {
    return this.bus
      .stream('orders')
      .pipe(map(({ data }) => (typeof data === 'object' ? data.id : undefined)));
  }
}

it('is the EventBus that a service is given, and keeps what was published as clients get it', async () => {
  const bus = recordingBus<ShopEvents>();
  const module = await Test.createTestingModule({
    providers: [Orders, { provide: EventBus, useValue: bus }],
  }).compile();
  await module.get(Orders).pay(7);
  expect(bus.published).toEqual([
    { topics: ['orders'], type: 'paid', data: { id: 7, at: '1970-01-01T00:00:00.000Z' } },
  ]);
  bus.clear();
  expect(bus.published).toEqual([]);
});

it('keeps topics, keys, exceptions and idempotency keys, and what was published once, once', async () => {
  const bus = recordingBus();
  const options = { idempotencyKey: 'i', except: { owner: 'ada' } };
  const cursor = await bus.publish(['a', 'b'], { data: 'x', key: 'k' }, options);
  expect(await bus.publish(['a', 'b'], { data: 'x', key: 'k' }, options)).toBe(cursor);
  expect(bus.published).toEqual([
    { topics: ['a', 'b'], type: 'message', data: 'x', key: 'k', ...options },
  ]);
});

it('has what was published at once, and as it was then', () => {
  const bus = recordingBus();
  const data = { n: 1 };
  void bus.publish('a', { data });
  data.n = 2;
  expect(bus.published).toMatchObject([{ data: { n: 1 } }]);
});

it('emits to streams what is no publish of the code under test', async () => {
  const bus = recordingBus<ShopEvents>();
  const seen: unknown[] = [];
  new Orders(bus).paidIds().subscribe((id) => seen.push(id));
  await bus.emit('orders', { type: 'paid', data: { id: 1, at: new Date() } });
  await bus.emit('other', { data: 'no' });
  expect(seen).toEqual([1]);
  expect(bus.published).toEqual([]);
  const replayed = bus.stream('orders', { from: 'start' }).pipe(take(1));
  expect(await firstValueFrom(replayed)).toMatchObject({ type: 'paid', data: { id: 1 } });
});

it('gives a gap to every stream', async () => {
  const bus = recordingBus<ShopEvents>();
  const types = firstValueFrom(
    bus.stream('orders').pipe(
      map(({ type }) => type as string),
      take(3),
      toArray(),
    ),
  );
  await bus.emit('orders', { type: 'paid', data: { id: 1, at: new Date() } });
  await bus.forceGap();
  await bus.emit('orders', { type: 'paid', data: { id: 2, at: new Date() } });
  expect(await types).toEqual(['paid', 'gap', 'paid']);
});

it('refuses what the bus of an application refuses, and keeps nothing of it', async () => {
  const events = { paid: z.object({ id: z.number() }) };
  const bus = recordingBus<Record<string, unknown>>({ events, maxEventBytes: 20 });
  const code = async (publishing: Promise<unknown>) => {
    const [{ reason }] = (await Promise.allSettled([publishing])) as [{ reason?: SseError }];
    return reason?.code;
  };
  expect(await code(bus.publish('', { data: 1 }))).toBe('BAD_TOPIC');
  expect(await code(bus.publish('$internal', { data: 1 }))).toBe('BAD_TOPIC');
  expect(await code(bus.publish('a', { type: 'gap', data: 1 }))).toBe('BAD_EVENT');
  expect(await code(bus.publish('a', { data: new Map() }))).toBe('BAD_EVENT');
  expect(await code(bus.publish('a', { data: 'x'.repeat(21) }))).toBe('BAD_EVENT');
  expect(await code(bus.publish('a', { type: 'paid', data: { id: 'x' } }))).toBe('BAD_EVENT');
  expect(await code(bus.publish('a', { data: 1 }, { except: {} }))).toBe('BAD_OPTION');
  expect(await code(bus.emit('a', { type: 'gap', data: 1 }))).toBe('BAD_EVENT');
  expect(bus.published).toEqual([]);
  expect(() => recordingBus({ maxEventBytes: 0 })).toThrow('recordingBus()');
  expect(() => recordingBus({ history: 1 } as object)).toThrow('history');
});
