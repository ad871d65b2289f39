import { expect, it } from '@jest/globals';
import { ConflictException } from '@nestjs/common';
import { from, interval, lastValueFrom, map, of, take, toArray } from 'rxjs';
import type { RunChange } from 'nestjs-event-stream/runs';
import { until } from '../support/until.js';
import { all, deferred, eachBackplane, texts, told, waitForAbort } from './instances.js';

const DONE = 'run-end {"status":"done"}';
const STOPPED = 'run-end {"status":"stopped"}';

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

  it('is kept beyond the tail, as a whole, however much else is published', async () => {
    const one = await bench.start({ sse: { history: { maxEvents: 5 } } });
    const go = deferred();
    const tokens = Array.from({ length: 100 }, (_, n) => `${n}`);
    await one.runs.start('chat.1', async function* () {
      yield* tokens;
      await go.promise;
    });
    for (let n = 0; n < 20; n++) await one.bus.publish('noise', { data: n });
    const client = await bench.connect(one, '/runs/chat.1');
    expect(told(await client.take(100))).toEqual(tokens);
    go.resolve();
    expect(await all(client)).toEqual([DONE]);
  });

  it('is kept as long as it is live, however short it is after its end', async () => {
    const one = await bench.start({ runs: { keepFor: 1 }, sse: { history: { maxEvents: 5 } } });
    const go = deferred();
    await one.runs.start('chat.1', async function* () {
      yield 'a';
      await go.promise;
    });
    await until('it has been silent for longer', async () => {
      await one.bus.publish('noise', { data: 0 });
      const { startedAt } = one.runs.get('chat.1') ?? {};
      return startedAt !== undefined && Date.now() - startedAt.getTime() > 200;
    });
    const client = await bench.connect(one, '/runs/chat.1');
    expect(told(await client.take(1))).toEqual(['a']);
    go.resolve();
    expect(await all(client)).toEqual([DONE]);
  });

  it('is kept as it was started, whatever the options are of those that are there meanwhile', async () => {
    const sse = { history: { maxEvents: 5 } };
    const one = await bench.start({ runs: { keepFor: 60_000 }, sse });
    const two = bench.isShared ? await bench.start({ runs: { keepFor: 1, lease: 100 }, sse }) : one;
    const started = await one.runs.start('chat.1', texts('a'));
    expect(await two.runs.start('chat.1', texts('b'))).toMatchObject({
      ...{ isNew: false, owner: started.owner },
    });
    const go = deferred();
    await one.runs.start('live', () => from(go.promise));
    await two.runs.start('chat.2', texts('b'), { keepFor: 60_000 });
    await two.runs.start('chat.3', texts('c'), { keepFor: 1 });
    await until('the time of the shortest is over', async () => {
      for (const { bus } of [one, two]) await bus.publish('noise', { data: 0 });
      return Date.now() - started.startedAt.getTime() > 1_200;
    });
    expect(two.runs.get('live')).toMatchObject({ status: 'live' });
    go.resolve();
    const three = bench.isShared ? await bench.start({ sse }) : one;
    for (const at of [one, two, three]) {
      expect(await all(await bench.connect(at, '/runs/chat.1'))).toEqual(['a', DONE]);
      expect(await all(await bench.connect(at, '/runs/chat.2'))).toEqual(['b', DONE]);
      expect((await bench.connect(at, '/runs/chat.3')).status).toBe(204);
    }
  });

  it('is known to all, also if more of them start at once than the tail holds', async () => {
    const [one, two] = await bench.startTwo({ sse: { history: { maxEvents: 5 } } });
    const ids = Array.from({ length: 100 }, (_, n) => `chat.${n}`);
    await Promise.all(ids.map((id) => two.runs.start(id, texts(id))));
    await until('they have ended', () => two.runs.list().every(({ status }) => status === 'done'));
    await until('the other knows it', () => one.runs.list().length === ids.length);
    await until('and how', () => one.runs.list().every(({ status }) => status === 'done'));
    for (const id of ids.slice(0, 3)) {
      expect(await all(await bench.connect(one, `/runs/${id}`))).toEqual([id, DONE]);
    }
  });

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

  it.each([
    ['an error', new Error('secret'), 'Internal server error'],
    ['an HttpException', new ConflictException('Too long a prompt'), 'Too long a prompt'],
  ])(
    'fails with %s, which is logged, and tells clients no more than they may know',
    async (_, error, safe) => {
      const [one, two] = await bench.startTwo();
      await one.runs.start('chat.1', async function* () {
        yield* texts('a');
        throw error;
      });
      const end = `run-end ${JSON.stringify({ status: 'failed', error: safe })}`;
      expect(await all(await bench.connect(two, '/runs/chat.1'))).toEqual(['a', end]);
      // Nest has one logger: that of the application that was started last.
      expect(two.logs.find('error', error.message)).toHaveLength(1);
      expect(two.runs.get('chat.1')).toMatchObject({ status: 'failed', error: safe, events: 1 });
    },
  );

  it('fails with more data than it may have, and says so to all', async () => {
    const [one, two] = await bench.startTwo();
    let isAborted = false;
    await one.runs.start(
      'chat.1',
      async function* ({ signal }) {
        signal.addEventListener('abort', () => (isAborted = true));
        for (;;) yield* texts('x'.repeat(100));
      },
      { maxBytes: 1_000 },
    );
    const events = await all(await bench.connect(two, '/runs/chat.1'));
    expect(events).toHaveLength(11);
    expect(events.at(-1)).toContain('more data than is kept');
    expect(isAborted).toBe(true);
  });

  it('is stopped from the other instance, as often as one likes', async () => {
    const [one, two] = await bench.startTwo();
    await one.runs.start('chat.1', async function* ({ signal }) {
      yield* texts('a');
      await waitForAbort(signal);
      yield 'last';
    });
    const client = await bench.connect(two, '/runs/chat.1');
    expect((await client.next()).data).toBe('a');
    const stops = await Promise.all([two, one, two].map(({ runs }) => runs.stop('chat.1')));
    for (const stop of stops) expect(stop).toMatchObject({ id: 'chat.1', status: 'stopped' });
    expect(await all(client)).toEqual(['last', STOPPED]);
    expect(await two.runs.stop('chat.1')).toMatchObject({ status: 'stopped' });
    expect(await two.runs.stop('nobody-knows')).toBeUndefined();
  });

  it('is stopped also if its source does not listen', async () => {
    const { runs } = await bench.start({ runs: { stopTimeout: 30 } });
    let isReturned = false;
    await runs.start('chat.1', {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => {}),
        return: async () => ({ done: true, value: (isReturned = true) }),
      }),
    });
    expect(await runs.stop('chat.1')).toMatchObject({ status: 'stopped' });
    expect(isReturned).toBe(true);
  });

  it('has nothing of what its source yields when the time that it had to stop is over', async () => {
    const [one, two] = await bench.startTwo({ runs: { stopTimeout: 30 } });
    const go = deferred();
    const refused = deferred<unknown>();
    await one.runs.start('chat.1', async function* ({ emit }) {
      yield* texts('a');
      try {
        await go.promise;
        await emit('emitted late').catch(refused.resolve);
        yield 'yielded late';
      } finally {
        refused.resolve(undefined);
      }
    });
    const client = await bench.connect(two, '/runs/chat.1');
    await client.next();
    expect(await two.runs.stop('chat.1')).toMatchObject({ status: 'stopped', events: 1 });
    go.resolve();
    expect(await refused.promise).toMatchObject({ code: 'RUN_ENDED' });
    await two.bus.publish('news', { data: 'behind it' });
    expect(await all(client)).toEqual([STOPPED]);
    for (const at of [one, two])
      expect(await all(await bench.connect(at, '/runs/chat.1'))).toEqual(['a', STOPPED]);
    const { entries } = one.bus.log.indexOf('$run.whole.chat.1');
    expect(entries.length).toBe(2);
    one.bus.log.release('$run.whole.chat.1');
  });

  it('is told to an instance that starts later, as none of its own', async () => {
    const one = await bench.start({ runs: { lease: 10_000 } });
    await one.runs.start('chat.1', texts('a'));
    await until('it has ended', () => one.changes.length === 2);
    if (!bench.isShared) return;
    await one.runs.start('chat.2', async ({ signal }) => waitForAbort(signal));
    const { changes } = await bench.start();
    await until('it knows', () => changes.length === 3);
    expect(changes.map(({ type, isOwn, run }) => [type, isOwn, run.id])).toEqual([
      ['started', false, 'chat.1'],
      ['ended', false, 'chat.1'],
      ['started', false, 'chat.2'],
    ]);
    await one.runs.stop('chat.2');
    await until('it is told of its end', () => changes.length === 4);
    expect(changes[3]).toMatchObject({ type: 'ended', isOwn: false, run: { status: 'stopped' } });
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

  it('goes together with other runs and topics on one connection', async () => {
    const [one, two] = await bench.startTwo();
    const go = deferred();
    await one.runs.start('a', async function* () {
      yield 'a1';
      await go.promise;
      yield 'a2';
    });
    await two.runs.start('b', texts('b1'));
    const both = await bench.connect(two, '/several/a,b,nobody-knows');
    const first = told(await both.take(3));
    expect(first.filter((text) => /^[ab]1$/.test(text)).sort()).toEqual(['a1', 'b1']);
    go.resolve();
    expect([...first, ...(await all(both))].sort()).toEqual(['a1', 'a2', 'b1', DONE, DONE].sort());
    expect((await bench.connect(one, '/several/a,b', both.lastEventId)).status).toBe(204);
    const withNews = await bench.connect(one, '/with-news/a');
    expect(told(await withNews.take(3))).toEqual(['a1', 'a2', DONE]);
    await two.bus.publish('news', { data: 'new' });
    expect((await withNews.next()).data).toBe('new');
  });

  it('is listed with what it has emitted, and told of when it starts and ends', async () => {
    const [one, two] = await bench.startTwo({ runs: { lease: 200 } });
    const changes: [string, RunChange][] = [];
    for (const [name, { runs }] of [
      ['one', one],
      ['two', two],
    ] as const)
      runs.events$.subscribe((change) => changes.push([name, change]));
    const go = deferred();
    await one.runs.start('chat.1', async function* () {
      yield* texts('abc', 'de');
      await go.promise;
    });
    const client = await bench.connect(two, '/runs/chat.1');
    await client.take(2);
    await until('the other knows what it has emitted', () => two.runs.get('chat.1')?.bytes === 5);
    const info = { id: 'chat.1', status: 'live' as const, events: 2, bytes: 5 };
    expect(two.runs.list()).toMatchObject([{ ...info, readers: 1 }]);
    go.resolve();
    await all(client);
    await until(
      'both are told',
      () => changes.filter(([, { type }]) => type === 'ended').length >= (one === two ? 1 : 2),
    );
    expect(two.runs.list()).toMatchObject([{ ...info, status: 'done', endedAt: expect.any(Date) }]);
    const own = changes.filter(([, { isOwn }]) => isOwn);
    expect(own.filter(([, { type }]) => type === 'ended')).toHaveLength(one === two ? 2 : 1);
    expect(changes.at(-1)?.[1].run.status).toBe('done');
    await until('its reader has gone', () => two.runs.get('chat.1')?.readers === 0);
  });

  it('cannot be read any more when its time is over: 204, or 404 if that is wanted', async () => {
    const one = await bench.start();
    await one.runs.start('chat.1', texts('a'), { keepFor: 20 });
    await until('it has ended', () => one.runs.get('chat.1')?.status !== 'live');
    await until('its time is over', () => one.runs.get('chat.1') === undefined);
    expect((await bench.connect(one, '/runs/chat.1')).status).toBe(204);
    expect(await one.runs.start('chat.1', texts('b'))).toMatchObject({ isNew: true });
    expect(await all(await bench.connect(one, '/runs/chat.1'))).toEqual(['b', DONE]);
    await bench.stop();
    const two = await bench.start({ runs: { unknown: 404 } });
    expect((await bench.connect(two, '/runs/chat.1')).status).toBe(404);
    await two.runs.start('chat.1', texts('a'));
    const client = await bench.connect(two, '/runs/chat.1');
    expect(await all(client)).toEqual(['a', DONE]);
    expect((await bench.connect(two, '/runs/chat.1', client.lastEventId)).status).toBe(204);
  });

  it.each(['finish', 'stop'] as const)(
    'has its end before the application is gone: drain.runs is %s',
    async (how) => {
      const [one, two] = await bench.startTwo({ runs: { drain: { runs: how } } });
      const isStopped = how === 'stop';
      await one.runs.start('chat.1', async function* ({ signal }) {
        yield* texts('a');
        if (isStopped) await waitForAbort(signal);
        else await new Promise((resolve) => setTimeout(resolve, 50));
        yield 'b';
      });
      const client = await bench.connect(one, '/runs/chat.1');
      await client.next();
      const closing = one.app.close();
      expect(await all(client)).toEqual(['b', isStopped ? STOPPED : DONE]);
      await closing;
      await expect(one.runs.start('chat.2', texts('a'))).rejects.toMatchObject({
        code: 'BACKPLANE_CLOSED',
      });
      if (two === one) return;
      expect(await all(await bench.connect(two, '/runs/chat.1'))).toEqual([
        ...['a', 'b'],
        isStopped ? STOPPED : DONE,
      ]);
    },
  );

  it('refuses what it cannot take, and says what it takes', async () => {
    const { runs } = await bench.start({ runs: { maxRuns: 1, keepFor: 1_000 } });
    const source = texts('a');
    await expect(runs.start('', source)).rejects.toMatchObject({ code: 'BAD_TOPIC' });
    expect(() => runs.stream('x'.repeat(1_000))).toThrow(/at most 960 characters/);
    await expect(runs.start('a', 7 as never)).rejects.toThrow(/AsyncIterable/);
    await expect(runs.start('a', source, { keepFor: 0 })).rejects.toThrow(/from 1 to/);
    await expect(runs.start('a', source, { onExisting: 'take' as never })).rejects.toThrow(
      /'join'/,
    );
    await runs.start('a', source);
    await expect(runs.start('b', source)).rejects.toThrow(/maxRuns \(1\)/);
  });
});
