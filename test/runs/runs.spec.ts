import { expect, it } from '@jest/globals';
import { all, eachBackplane, told } from './instances.js';

/** Yields a text, and what `next` gives, until that gives nothing. */
async function* texts(...values: readonly string[]): AsyncGenerator<string> {
  for (const value of values) {
    yield value;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A promise, and what resolves it. */
function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}

const DONE = 'run-end {"status":"done"}';

eachBackplane((bench) => {
  it('gives all of it from the start, its end, and then 204, on either instance', async () => {
    const [one, two] = await bench.startTwo();
    const go = deferred();
    const started = await one.runs.start('chat.1', async function* () {
      yield* texts('a', 'b');
      await go.promise;
      yield* texts('c');
    });
    expect(started).toMatchObject({ id: 'chat.1', status: 'live', isNew: true });
    const clients = await Promise.all([one, two].map((at) => bench.connect(at, '/runs/chat.1')));
    for (const client of clients) expect(told(await client.take(2))).toEqual(['a', 'b']);
    go.resolve();
    for (const client of clients) expect(await all(client)).toEqual(['c', DONE]);
    for (const at of [one, two]) {
      const late = await bench.connect(at, '/runs/chat.1');
      expect(await all(late)).toEqual(['a', 'b', 'c', DONE]);
      const back = await bench.connect(at, '/runs/chat.1', late.lastEventId);
      expect(back.status).toBe(204);
      expect((await bench.connect(at, '/runs/nobody-knows')).status).toBe(204);
    }
  });

  it('goes on at the cursor of a client that comes back, on the other instance', async () => {
    const [one, two] = await bench.startTwo();
    const go = deferred();
    await one.runs.start('chat.1', async function* () {
      yield* texts('a', 'b', 'c');
      await go.promise;
      yield* texts('d');
    });
    const client = await bench.connect(one, '/runs/chat.1');
    const [, second] = await client.take(3);
    client.close();
    const back = await bench.connect(two, '/runs/chat.1', second?.lastEventId);
    expect(told(await back.take(1))).toEqual(['c']);
    go.resolve();
    expect(await all(back)).toEqual(['d', DONE]);
  });
});
