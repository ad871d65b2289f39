import { map } from 'rxjs';

const small = { type: 'e', data: { x: 'y'.repeat(60) } };
const list = (length) => Array.from({ length }, (_, a) => ({ a, b: {} }));
const big = 'x'.repeat(1_000_000);
const mapped = (bus) =>
  bus.stream('a').pipe(map(({ type, data }) => ({ type, data: { ...data } })));

/** How many events each row publishes, the event of a number, and who reads meanwhile. */
export const rows = {
  'small events': { count: 200_000, event: () => ['a', { data: 1 }] },
  'events, 100 mapped streams': {
    count: 60_000,
    event: () => ['a', small],
    read: mapped,
    readers: 100,
  },
  'events, 100 streams': {
    count: 60_000,
    event: () => ['a', small],
    read: (bus) => bus.stream('a'),
    readers: 100,
  },
  'events among other buffers': {
    count: 60_000,
    event() {
      for (let n = 0; n < 2; n++) Buffer.from('z'.repeat(3_000));
      return ['a', small];
    },
  },
  'a topic for each event': { count: 100_000, event: (n) => [`user.${n}`, { data: { n } }] },
  'a key for each event': { count: 100_000, event: (n) => ['a', { key: `k${n}`, data: { n } }] },
  'twenty topics for each event': {
    count: 60_000,
    event: (n) => [Array.from({ length: 20 }, (_, topic) => `user.${n}.${topic}`), { data: 1 }],
  },
  'data that a where parses': {
    count: 60_000,
    event: () => ['a', { data: { list: list(100) } }],
    read: (bus) => bus.stream('a', { where: ({ data }) => data.never === 1 }),
    readers: 1,
  },
  'large events': { count: 150, event: () => ['a', { data: big }] },
  'events of many lines': { count: 6_000, event: () => ['a', { data: 'x\n'.repeat(5_000) }] },
  'lines of several bytes a character': {
    count: 6_000,
    event: () => ['a', { data: 'ő\r\n'.repeat(5_000) }],
  },
  'idempotency keys': {
    count: 300_000,
    event: (n) => ['a', { data: 1 }, { idempotencyKey: `order-${n}-${'0'.repeat(36)}` }],
  },
  'long topics that have gone': {
    count: 200_000,
    event: (n) => [`${n}.${'n'.repeat(1_000)}`, { data: 1 }],
  },
  'topics that are too long': {
    count: 1_000,
    event: (n) => ['t'.repeat(100_000) + n, { data: 1 }],
  },
  'keys that are too long': {
    count: 1_000,
    event: (n) => ['a', { key: 'k'.repeat(100_000) + n, data: 1 }],
  },
};
