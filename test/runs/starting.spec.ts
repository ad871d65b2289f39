import { expect, it, jest } from '@jest/globals';

import { interval, lastValueFrom, map, of, take, toArray } from 'rxjs';

import { until } from '../support/until.js';
import { all, deferred, eachBackplane, texts, waitForAbort } from './instances.js';

const DONE = 'run-end {"status":"done"}';
const STOPPED = 'run-end {"status":"stopped"}';

eachBackplane((bench) => {
  it.each([
    ['an AsyncIterable', () => texts('a', 'b')],
    ['a function that returns a promise of one', () => async () => texts('a', 'b')],
    ['an Observable', () => of('a', 'b')],
    [
      'an Observable that takes its time',
      () =>
        interval(1).pipe(
          take(2),
          map((n) => 'ab'[n]),
        ),
    ],
    ['a ReadableStream', () => ReadableStream.from(['a', 'b'])],
    [
      'what emits by itself',
      () =>
        async ({ emit }: { emit: (value: unknown) => Promise<void> }) => {
          await emit('a');
          await emit('b');
        },
    ],
  ] as const)('takes %s', async (_, source) => {
    const { runs } = await bench.start();
    await runs.start('chat.1', source());
    const events = await lastValueFrom(runs.stream('chat.1').pipe(toArray()));
    expect(events.map(({ data }) => data)).toEqual(['a', 'b', { status: 'done' }]);
  });

  it('takes events and plain data', async () => {
    const { runs } = await bench.start();
    const values = [
      { type: 'text', data: 'a' },
      { type: 'text', delta: 'b' },
      7,
      { data: { x: 1 } },
    ];
    await runs.start('chat.1', of(...values));
    const events = await lastValueFrom(runs.stream('chat.1').pipe(toArray()));
    expect(events.slice(0, -1).map(({ type, data }) => [type, data])).toEqual([
      ['text', 'a'],
      [undefined, { type: 'text', delta: 'b' }],
      [undefined, 7],
      [undefined, { x: 1 }],
    ]);
  });

  it('is started once, of all who start it in the same moment', async () => {
    const [one, two] = await bench.startTwo();
    for (let round = 0; round < 5; round++) {
      let started = 0;
      const source = async function* () {
        started++;
        yield* texts('a');
      };
      const all = await Promise.all(
        [one, two, one, two].map(({ runs }) => runs.start(`chat.${round}`, source)),
      );
      expect(all.filter(({ isNew }) => isNew)).toHaveLength(1);
      expect(new Set(all.map(({ owner }) => owner)).size).toBe(1);
      expect(started).toBe(1);
    }
  });

  it('is started once also if it ends between the moment that another looks and its claim', async () => {
    const [one, two] = await bench.startTwo();
    for (let round = 0; round < 20; round++) {
      const id = `chat.${round}`;
      const starts = [one, two, one, two, two].map(async ({ runs }, turns) => {
        for (let turn = 0; turn < turns; turn++) await new Promise((go) => setImmediate(go));
        return runs.start(id, of());
      });
      expect((await Promise.all(starts)).filter(({ isNew }) => isNew)).toHaveLength(1);
    }
  });

  it('is ended by an application that shuts down while it starts', async () => {
    const [one, two] = await bench.startTwo({ runs: { drain: { runs: 'stop' } } });
    const [ordered, goOn] = [deferred(), deferred()];
    const order = one.bus.order.bind(one.bus);
    jest.spyOn(one.bus, 'order').mockImplementation(async (record, options) => {
      const place = await order(record, options);
      if (options?.idempotencyKey?.startsWith('$run-claim.') !== true) return place;
      ordered.resolve();
      await goOn.promise;
      return place;
    });
    const aborted = deferred();
    const starting = one.runs.start('chat.1', async ({ signal }) => {
      await waitForAbort(signal);
      aborted.resolve();
    });
    await ordered.promise;
    const closing = one.app.close();
    for (let turn = 0; turn < 20; turn++) await new Promise((next) => setImmediate(next));
    goOn.resolve();
    expect(await starting).toMatchObject({ isNew: true });
    await aborted.promise;
    await closing;
    if (bench.isShared)
      await until('the other knows', () => two.runs.get('chat.1')?.status === 'stopped');
  });

  if (bench.isShared)
    it('is not stopped by who would replace it, and shuts down', async () => {
      const [one, two] = await bench.startTwo({ runs: { drain: { runs: 'stop' } } });
      await one.runs.start('chat.1', ({ signal }) => waitForAbort(signal));
      await until('the other knows it', () => two.runs.get('chat.1') !== undefined);
      const closing = two.app.close();
      await new Promise((next) => setImmediate(next));
      const replacing = two.runs.start('chat.1', texts('b'), { onExisting: 'replace' });
      await expect(replacing).rejects.toMatchObject({ code: 'BACKPLANE_CLOSED' });
      await closing;
      expect(one.runs.get('chat.1')).toMatchObject({ status: 'live' });
    });

  it('rejects another start, if that is wanted', async () => {
    const [one, two] = await bench.startTwo();
    await one.runs.start('chat.1', texts('a'));
    const again = two.runs.start('chat.1', texts('b'), { onExisting: 'reject' });
    await expect(again).rejects.toMatchObject({ code: 'RUN_EXISTS' });
  });

  it('is replaced, if that is wanted: who reads it gets its end, and then the other one', async () => {
    const [one, two] = await bench.startTwo();
    const refused = deferred<unknown>();
    await one.runs.start('chat.1', async ({ signal, emit }) => {
      await emit('old');
      await waitForAbort(signal);
      refused.resolve(await emit('too late').catch((error: unknown) => error));
    });
    const client = await bench.connect(one, '/runs/chat.1');
    expect((await client.next()).data).toBe('old');
    const replaced = await two.runs.start('chat.1', texts('new'), { onExisting: 'replace' });
    expect(replaced).toMatchObject({ isNew: true, status: 'live' });
    expect(await all(client)).toEqual([STOPPED]);
    const back = await bench.connect(one, '/runs/chat.1', client.lastEventId);
    expect(await all(back)).toEqual(['new', DONE]);
    expect(await refused.promise).toMatchObject({ code: 'RUN_ENDED' });
  });

  it('is told to its end to who was away when it was replaced, and then the other one', async () => {
    const [one, two] = await bench.startTwo();
    await one.runs.start('chat.1', async ({ signal, emit }) => {
      for (const text of ['a', 'b', 'c']) await emit(text);
      await waitForAbort(signal);
    });
    const client = await bench.connect(one, '/runs/chat.1');
    const [, second] = await client.take(3);
    client.close();
    const go = deferred();
    const next = async function* () {
      yield 'new';
      await go.promise;
    };
    await two.runs.start('chat.1', next, { onExisting: 'replace' });
    for (const at of [one, two]) {
      const back = await bench.connect(at, '/runs/chat.1', second?.lastEventId);
      expect(await all(back)).toEqual(['c', STOPPED]);
      const again = await bench.connect(at, '/runs/chat.1', back.lastEventId);
      expect((await again.next()).data).toBe('new');
    }
    go.resolve();
  });

  it('is replaced also where there are as many runs as there may be, and not stopped for one that is refused', async () => {
    const [one, two] = await bench.startTwo({
      runs: { maxRuns: 2, drain: { runs: 'stop' } },
    });
    for (const id of ['chat.1', 'chat.2'])
      await one.runs.start(id, ({ signal }) => waitForAbort(signal));
    await until('the other knows them', () => two.runs.list().length === 2);
    const replaced = await two.runs.start('chat.1', texts('a'), { onExisting: 'replace' });
    expect(replaced).toMatchObject({ isNew: true });
    const more = one.runs.start('chat.3', texts('a'), { onExisting: 'replace' });
    await expect(more).rejects.toThrow(/maxRuns \(2\)/);
    expect(one.runs.get('chat.2')).toMatchObject({ status: 'live' });
  });

  it('is replaced again and again, while those before it can still be read', async () => {
    const [one, two] = await bench.startTwo();
    for (const [turn, { runs }] of [one, two, one, two].entries()) {
      const run = await runs.start('chat.1', texts(`${turn}`), { onExisting: 'replace' });
      expect(run).toMatchObject({ isNew: true });
      const client = await bench.connect(two, '/runs/chat.1');
      expect(await all(client)).toEqual([`${turn}`, DONE]);
    }
  });
});
