import { afterEach, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { type } from 'arktype';
import * as v from 'valibot';
import { z } from 'zod';
import { EventBus, type EventSchemas, type SseEvent, SseModule } from 'nestjs-event-stream';
import { createPublisher } from 'nestjs-event-stream/publisher';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { until } from '../support/until.js';

/** A schema of no library: it refuses negative numbers. */
const positive: EventSchemas[string] = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      Number(value) > 0 ? { value } : { issues: [{ message: 'is not positive' }] },
  },
};

const slow: EventSchemas[string] = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => Promise.resolve({ value }) },
};

describe('schemas of events', () => {
  let app: INestApplication | undefined;

  afterEach(() => app?.close());

  async function busWith(events: EventSchemas): Promise<EventBus> {
    const module = await Test.createTestingModule({
      imports: [SseModule.forRoot({ events })],
    }).compile();
    app = module.createNestApplication();
    await app.init();
    return app.get(EventBus);
  }

  it.each<[string, EventSchemas[string]]>([
    ['zod', z.object({ items: z.array(z.object({ cents: z.number() })) })],
    ['valibot', v.object({ items: v.array(v.object({ cents: v.number() })) })],
    ['arktype', type({ items: type({ cents: 'number' }).array() })],
  ])('of %s refuse data, naming the path and what is wrong', async (_, price) => {
    const bus = await busWith({ price });
    const data = { items: [{ cents: 1 }, { cents: 'many' }] };
    await expect(bus.publish('a', { type: 'price', data })).rejects.toMatchObject({
      code: 'BAD_EVENT',
      message: expect.stringMatching(/'price'.*data\.items\.1\.cents: .*number/) as unknown,
    });
    data.items.pop();
    await expect(bus.publish('a', { type: 'price', data })).resolves.toMatch(/\.1$/);
  });

  it('are of any library, of events with and without a type', async () => {
    const bus = await busWith({ message: positive });
    for (const type of [undefined, '']) {
      await expect(bus.publish('a', { type, data: -1 })).rejects.toMatchObject({
        code: 'BAD_EVENT',
        message: "The event 'message' does not meet its schema: data: is not positive",
      });
    }
    await expect(bus.publish('a', { type: 'toString', data: -1 })).resolves.toMatch(/\.1$/);
  });

  it('give back what is published', async () => {
    const bus = await busWith({
      price: z.object({ cents: z.number(), unit: z.string().default('c') }),
    });
    const received: SseEvent[] = [];
    bus.stream('a').subscribe((event) => received.push(event));
    await bus.publish('a', { type: 'price', data: { cents: 1, secret: 'x' }, key: 'k' });
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect(received.map(({ type, data }) => ({ type, data }))).toEqual([
      { type: 'price', data: { cents: 1, unit: 'c' } },
    ]);
  });

  it('are synchronous, so that events keep their order', async () => {
    const bus = await busWith({ price: slow });
    await expect(bus.publish('a', { type: 'price', data: 1 })).rejects.toMatchObject({
      code: 'BAD_EVENT',
      message: expect.stringContaining('asynchronous') as unknown,
    });
  });

  it.each<[string, () => unknown, string]>([
    ['a promise of another library', () => ({ then: () => {} }), 'asynchronous'],
    ['nothing', () => undefined, 'gave back undefined'],
    [
      'an error',
      () => {
        throw new Error('of its own');
      },
      'of its own',
    ],
  ])('refuse the event where they give %s', async (_, validate, told) => {
    const price = { '~standard': { version: 1, vendor: 'test', validate } };
    const bus = await busWith({ price } as EventSchemas);
    await expect(bus.publish('a', { type: 'price', data: 1 })).rejects.toMatchObject({
      code: 'BAD_EVENT',
      message: expect.stringMatching(new RegExp(`'price'.*${told}`)) as unknown,
    });
    await expect(bus.publish('a', { type: 'other', data: 1 })).resolves.toMatch(/\.1$/);
  });

  it('transform: what they give back arrives, as JSON has it', async () => {
    const bus = await busWith({
      price: z.object({ at: z.coerce.date(), cents: z.string().transform(Number) }),
      none: z.string().transform(() => undefined),
      big: z.string().transform(BigInt),
    });
    const received: SseEvent[] = [];
    bus.stream('a').subscribe((event) => received.push(event));
    const at = '2026-01-01T00:00:00.000Z';
    await bus.publish('a', { type: 'price', data: { at: Date.parse(at), cents: '7' } });
    for (const type of ['none', 'big']) {
      await expect(bus.publish('a', { type, data: '1' })).rejects.toMatchObject({
        code: 'BAD_EVENT',
        message: expect.stringContaining('what JSON can hold') as unknown,
      });
    }
    await bus.publish('a', { type: 'other', data: 'unchecked' });
    await until('both', () => received.length === 2);
    expect(received.map(({ data }) => data)).toEqual([{ at, cents: 7 }, 'unchecked']);
  });

  it('are refused at the start if they are none', async () => {
    const events = { price: { parse: () => 1 } } as unknown as EventSchemas;
    await expect(busWith(events)).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('events.price') as unknown,
    });
    expect(() =>
      createPublisher(redisBackplane({ url: 'redis://127.0.0.1:1' }), { events }),
    ).toThrow('events.price');
  });

  it('are those of a publisher, too', async () => {
    const backplane = redisBackplane({ url: 'redis://127.0.0.1:1', publishTimeout: 100 });
    backplane.logger = { log: () => {}, warn: () => {}, error: () => {} };
    const publisher = createPublisher(backplane, { events: { price: positive } });
    await expect(publisher.publish('a', { type: 'price', data: -1 })).rejects.toMatchObject({
      code: 'BAD_EVENT',
    });
    await publisher.close();
  });
});
