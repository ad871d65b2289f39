import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { delay, filter, map } from 'rxjs';
import { type EventBus, matching } from 'nestjs-event-stream';
import { Instance, RecordingConnection, turns } from '../reader/recording-connection.js';

/** Small, so that few events fill it: `bench/memory` measures the size that is the default. */
const MAX_BYTES = 1_024 * 1_024;
/** What the measuring and the constant parts of a log may take: remembered names, a slab. */
const CONSTANT = 1_000_000;
/** What a matcher may take that selects some thousands of topics which are gone. */
const MATCHER = 3_000_000;
/** What remembered idempotency keys may take. */
const KEYS = 6_000_000;
const HALF_A_MEGABYTE = 'z'.repeat(500_000);

interface Row {
  /** Publishes the event of that number. */
  readonly publish: (bus: EventBus, n: number) => Promise<unknown>;
  readonly count: number;
  /** Somebody who reads meanwhile. */
  readonly read?: (bus: EventBus) => ReturnType<EventBus['stream']>;
  readonly isRefused?: boolean;
  readonly constant?: number;
}

const rows: Readonly<Record<string, Row>> = {
  'small events among buffers of the application': {
    // More than would fit if only their bytes were counted.
    count: 8_000,
    publish: (bus) => {
      Buffer.from('z'.repeat(3_000));
      Buffer.from('z'.repeat(3_000));
      return bus.publish('a', { type: 'e', data: { x: 'y'.repeat(60) } });
    },
  },
  'small events that operators map': {
    count: 3_000,
    read: (bus) => bus.stream('a').pipe(map((event) => ({ ...event, data: 'x'.repeat(2_000) }))),
    publish: (bus, n) => bus.publish('a', { type: 'e', data: { x: 'y'.repeat(60), n } }),
  },
  'a topic for each event, and a matcher': {
    count: 5_000,
    constant: MATCHER,
    read: (bus) => bus.stream(matching('user.*.feed.**')),
    publish: (bus, n) => bus.publish(`user.${n}.feed.of.a.day`, { data: { n } }),
  },
  'a long topic for each event': {
    count: 8_000,
    publish: (bus, n) => bus.publish(`${n}.${'t'.repeat(1_000)}`, { data: { n } }),
  },
  'a topic that was cut from a large text': {
    count: 40,
    publish: (bus, n) => {
      const text = `${n}.a-long-topic-of-its-own ${HALF_A_MEGABYTE}${n}`;
      return bus.publish(text.slice(0, text.indexOf(' ')), { data: { n } });
    },
  },
  'a key that was cut from a large text': {
    count: 40,
    publish: (bus, n) => {
      const text = `${n}.a-long-key-of-its-own ${HALF_A_MEGABYTE}${n}`;
      return bus.publish('a', { key: text.slice(0, text.indexOf(' ')), data: { n } });
    },
  },
  'a key for each event': {
    count: 5_000,
    publish: (bus, n) => bus.publish('a', { key: `k${n}`, data: { n } }),
  },
  'twenty topics for each event': {
    count: 700,
    publish: (bus, n) =>
      bus.publish(
        Array.from({ length: 20 }, (_, topic) => `user.${n}.${topic}`),
        { data: 1 },
      ),
  },
  'a type for each event': {
    count: 5_000,
    publish: (bus, n) => bus.publish('a', { type: `a-type-of-its-own-${n}`, data: 1 }),
  },
  'events that are parsed': {
    count: 800,
    read: (bus) => bus.stream('a', { where: ({ data }) => 'never' in (data as object) }),
    publish: (bus) => {
      const list = Array.from({ length: 100 }, (_, a) => ({ a, b: {} }));
      return bus.publish('a', { data: { list } });
    },
  },
  'events that an operator looks at later': {
    count: 800,
    read: (bus) =>
      bus.stream('a').pipe(
        delay(1),
        filter(({ data }) => 'never' in (data as object)),
      ),
    publish: (bus) => {
      const list = Array.from({ length: 100 }, (_, a) => ({ a, b: {} }));
      return bus.publish('a', { data: { list } });
    },
  },
  'large events': { count: 20, publish: (bus) => bus.publish('a', { data: HALF_A_MEGABYTE }) },
  'events of many lines with carriage returns': {
    count: 300,
    publish: (bus, n) => bus.publish('a', { data: `${'ő\r\n'.repeat(2_000)}${n}` }),
  },
  'idempotency keys': {
    count: 40_000,
    constant: KEYS,
    publish: (bus, n) =>
      bus.publish('a', { data: 1 }, { idempotencyKey: `order-${n}-${'0'.repeat(30)}` }),
  },
  'topics without a bound': {
    count: 50,
    isRefused: true,
    publish: (bus, n) => bus.publish(`${'t'.repeat(100_000)}${n}`, { data: 1 }),
  },
  'keys without a bound': {
    count: 50,
    isRefused: true,
    publish: (bus, n) => bus.publish('a', { key: `${'k'.repeat(100_000)}${n}`, data: 1 }),
  },
  'types without a bound': {
    count: 50,
    isRefused: true,
    publish: (bus, n) => bus.publish('a', { type: `${'t'.repeat(100_000)}${n}`, data: 1 }),
  },
};

let collectGarbage: () => void;

beforeAll(() => {
  Logger.overrideLogger(false);
  setFlagsFromString('--expose-gc');
  collectGarbage = runInNewContext('gc') as () => void;
});

let opened: Instance | undefined;

afterEach(() => opened?.log.close());

async function memory(): Promise<number> {
  for (let round = 0; round < 2; round++) {
    await turns();
    collectGarbage();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

describe('history.maxBytes bounds the memory of a log that is full of', () => {
  it.each(Object.entries(rows))('%s', async (_, row) => {
    const { publish, count, read, isRefused = false, constant = CONSTANT } = row;
    opened = await Instance.open({ maxBytes: MAX_BYTES, maxEvents: 1_000_000 });
    const { bus, log } = opened;
    const connection = read === undefined ? undefined : opened.connect(read);
    if (connection !== undefined) connection.frames.push = () => 0;
    await turns();
    const before = await memory();
    let refused = 0;
    for (let n = 0; n < count; n++) {
      const published = publish(bus, n).catch(() => refused++);
      if (n % 50 === 0) await published.then(turns);
    }
    await turns();
    const growth = (await memory()) - before;
    expect(refused).toBe(isRefused ? count : 0);
    if (!isRefused) expect(log.length).toBeGreaterThan(0);
    expect(log.bytes).toBeLessThanOrEqual(MAX_BYTES);
    expect(growth).toBeLessThan(1.5 * log.bytes + constant);
    expect(connection).toEqual(read === undefined ? undefined : expect.any(RecordingConnection));
  });
});

it('archive.maxBytes bounds the memory of an archive that is full of events of many topics', async () => {
  const maxBytes = 8 * MAX_BYTES;
  opened = await Instance.open({
    maxEvents: 10,
    topics: [{ match: 'quiet.*', keepEvents: 20 }],
    archive: { maxBytes },
  });
  const { bus } = opened;
  const fill = async (count: number) => {
    for (let n = 0; n < count; n++) {
      void bus.publish(`quiet.${n % 800}`, { data: { n, text: 'x'.repeat(200) } });
      if (n % 100 === 0) await turns();
    }
    await turns();
  };
  await fill(200);
  const before = await memory();
  await fill(30_000);
  // What is counted is an estimate, and the places of what was dropped are given back with others.
  expect((await memory()) - before).toBeLessThan(1.4 * maxBytes + CONSTANT);
});
