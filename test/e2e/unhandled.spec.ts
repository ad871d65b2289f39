// A rejection that nobody handles fails the test during which it happens: Jest listens for it.
import { expect, it } from '@jest/globals';
import { EventBus } from 'nestjs-event-stream';
import { onExpress } from '../support/each-adapter.js';
import { elapse, turns, until } from '../support/until.js';

const bench = onExpress();
async function startBus(): Promise<EventBus> {
  return (await bench.start({})).get(EventBus);
}

const fail = (bus: EventBus) => bus.publish('news', { type: 'gap', data: 1 });

it.each<[string, (bus: EventBus) => unknown]>([
  ['nothing', fail],
  ['void', (bus) => void fail(bus)],
  ['then', (bus) => fail(bus).then((cursor) => cursor)],
  ['a chain of then', (bus) => fail(bus).then(String).then(String).then(String)],
  ['finally', (bus) => fail(bus).finally(() => undefined)],
  [
    'finally, then',
    (bus) =>
      fail(bus)
        .finally(() => undefined)
        .then(String),
  ],
  [
    'a branch of which one half is caught',
    (bus) => {
      const publication = fail(bus);
      void publication.then(String);
      void publication.catch(() => undefined);
    },
  ],
  [
    'a catch that throws',
    (bus) => fail(bus).catch((error: unknown) => Promise.reject(error as Error)),
  ],
  [
    'a then that throws',
    (bus) =>
      bus.publish('news', { data: 1 }).then(() => {
        throw new Error("'gap' is reserved, says the caller");
      }),
  ],
])(
  'logs the failure of a publish that is followed by %s, and it is no unhandled rejection',
  async (_, use) => {
    const bus = await startBus();
    use(bus);
    await until('a log line', () => bench.logs.find('error', "'gap' is reserved").length > 0);
    await turns();
    await elapse(10);
    expect(bench.logs.find('error', 'nobody awaited').length).toBeGreaterThan(0);
  },
);

it.each<[string, (bus: EventBus) => Promise<unknown>]>([
  [
    'await',
    async (bus) => {
      try {
        await fail(bus);
      } catch {
        return;
      }
    },
  ],
  ['catch', (bus) => fail(bus).catch(() => undefined)],
  ['then with two callbacks', (bus) => fail(bus).then(String, () => undefined)],
  [
    'then and catch',
    (bus) =>
      fail(bus)
        .then(String)
        .catch(() => undefined),
  ],
  ['Promise.allSettled', (bus) => Promise.allSettled([fail(bus), fail(bus)])],
  [
    'a catch in a later microtask',
    async (bus) => {
      const publication = fail(bus);
      await Promise.resolve();
      await Promise.resolve();
      await publication.catch(() => undefined);
    },
  ],
])('logs nothing when the caller handles it by %s', async (_, use) => {
  const bus = await startBus();
  await use(bus);
  await turns();
  expect(bench.logs.find('error', '')).toEqual([]);
});

it('lets a caller who waits have the error itself', async () => {
  const bus = await startBus();
  await expect(fail(bus)).rejects.toMatchObject({ name: 'SseError', code: 'BAD_EVENT' });
  await expect(fail(bus).then(String)).rejects.toMatchObject({ code: 'BAD_EVENT' });
  expect(fail(bus)).toBeInstanceOf(Promise);
});
