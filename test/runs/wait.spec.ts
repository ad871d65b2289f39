import { expect, it } from '@jest/globals';
import { lastValueFrom, toArray } from 'rxjs';
import { until } from '../support/until.js';
import { all, deferred, eachBackplane, texts, told } from './instances.js';

const DONE = 'run-end {"status":"done"}';

eachBackplane((bench) => {
  it('is given to clients that came before it, on either instance, as a whole', async () => {
    const [one, two] = await bench.startTwo();
    const clients = await Promise.all([one, two].map((at) => bench.connect(at, '/awaited/chat.1')));
    expect(clients.map(({ status }) => status)).toEqual([200, 200]);
    const outside = lastValueFrom(two.runs.stream('chat.1', { unknown: 'wait' }).pipe(toArray()));
    const go = deferred();
    await one.runs.start('chat.1', async function* () {
      await go.promise;
      yield* texts('a', 'b');
    });
    await until(
      'it has its readers',
      () => two.runs.get('chat.1')?.readers === (one === two ? 3 : 2),
    );
    go.resolve();
    for (const client of clients) {
      expect(await all(client)).toEqual(['a', 'b', DONE]);
      const back = await bench.connect(two, '/awaited/chat.1', client.lastEventId);
      expect(back.status).toBe(204);
    }
    expect((await outside).map(({ data }) => data)).toEqual(['a', 'b', { status: 'done' }]);
    expect(two.runs.get('chat.1')?.readers).toBe(0);
  });

  it('is given as a whole to a client that waits, is cut off, and comes back when it has started', async () => {
    const [one, two] = await bench.startTwo();
    const client = await bench.connect(two, '/awaited/chat.1');
    await until('it has a place', () => client.lastEventId !== '');
    client.close();
    await one.runs.start('chat.1', texts('a', 'b'));
    const back = await bench.connect(two, '/awaited/chat.1', client.lastEventId);
    expect(await all(back)).toEqual(['a', 'b', DONE]);
  });

  it('keeps nothing from a client that waits for it: other streams go on', async () => {
    const [one, two] = await bench.startTwo();
    const client = await bench.connect(two, '/awaited-with-news/chat.1');
    await one.bus.publish('news', { data: 'x' });
    expect(told([await client.next()])).toEqual(['x']);
    await one.runs.start('chat.1', texts('a'));
    expect(told(await client.take(2))).toEqual(['a', DONE]);
    await one.bus.publish('news', { data: 'y' });
    expect(told([await client.next()])).toEqual(['y']);
  });

  it('is the first one that starts, to its end, if another follows at once', async () => {
    const [one, two] = await bench.startTwo();
    const client = await bench.connect(two, '/awaited/chat.1');
    await one.runs.start('chat.1', texts('a'));
    await until('it has ended', () => one.runs.get('chat.1')?.status === 'done');
    await one.runs.start('chat.1', texts('b'), { onExisting: 'replace' });
    expect(await all(client)).toEqual(['a', DONE]);
  });

  it('refuses what it does not know', async () => {
    const { runs } = await bench.start();
    expect(() => runs.stream('chat.1', { unknown: 'later' as never })).toThrow(
      /204, 404 or 'wait'/,
    );
  });
});
