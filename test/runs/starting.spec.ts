import { expect, it } from '@jest/globals';

import { interval, lastValueFrom, map, of, take, toArray } from 'rxjs';

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
