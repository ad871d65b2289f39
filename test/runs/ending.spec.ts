import { expect, it } from '@jest/globals';
import { ConflictException } from '@nestjs/common';
import type { RunFactory } from 'nestjs-event-stream/runs';
import { concatMap, filter, toArray } from 'rxjs';

import { all, deferred, eachBackplane, texts, waitForAbort } from './instances.js';

const DONE = 'run-end {"status":"done"}';
const STOPPED = 'run-end {"status":"stopped"}';

eachBackplane((bench) => {
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

  it.each([
    ['data', 'x'.repeat(100)],
    ['types', { type: 't'.repeat(90), data: 'x'.repeat(10) }],
    ['keys', { key: 'k'.repeat(90), data: 'x'.repeat(10) }],
  ])('fails with more than it may have of %s, and says so to all', async (_, event) => {
    const [one, two] = await bench.startTwo();
    let isAborted = false;
    await one.runs.start(
      'chat.1',
      async function* ({ signal }) {
        signal.addEventListener('abort', () => (isAborted = true));
        while (!signal.aborted) {
          yield event;
          await new Promise((resolve) => setImmediate(resolve));
        }
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

  if (bench.isShared)
    it('keeps nobody waiting for its end on an instance that shuts down before it knows of it', async () => {
      const [one, two] = await bench.startTwo({ runs: { stopTimeout: 60_000 } });
      const [asked, finish] = [deferred(), deferred()];
      await one.runs.start('chat.1', async function* ({ signal }) {
        yield* texts('a');
        await waitForAbort(signal);
        asked.resolve();
        await finish.promise;
      });
      const stopping = expect(two.runs.stop('chat.1')).rejects.toMatchObject({
        code: 'BACKPLANE_CLOSED',
        message: expect.stringContaining('how the run "chat.1" ended'),
      });
      await asked.promise;
      await two.app.close();
      await stopping;
      finish.resolve();
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

  it.each<[string, RunFactory]>([
    [
      'stopped',
      async ({ emit }) => {
        for (;;) await emit('x');
      },
    ],
    [
      'done',
      async ({ emit }) => {
        void (async () => {
          for (;;) await emit('x');
        })().catch(() => {});
        await emit('x');
      },
    ],
  ])('is %s also if its source goes on emitting without end', async (status, source) => {
    const [one, two] = await bench.startTwo({ runs: { stopTimeout: 30 } });
    await one.runs.start('chat.1', source);
    const client = await bench.connect(two, '/runs/chat.1');
    await client.next();
    if (status === 'stopped') await two.runs.stop('chat.1');
    const events = await all(client);
    expect(events.pop()).toBe(`run-end {"status":"${status}"}`);
    expect(two.runs.get('chat.1')?.events).toBe(events.length + 1);
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

  it('is stopped by the application that shuts down when the time that it had to finish is over', async () => {
    const drain = { runs: 'finish', timeout: 30 } as const;
    const [one, two] = await bench.startTwo({ runs: { drain } });
    await one.runs.start('chat.1', async function* ({ signal }) {
      yield* texts('a');
      await waitForAbort(signal);
      yield 'last';
    });
    const client = await bench.connect(one, '/runs/chat.1');
    await client.next();
    const closing = one.app.close();
    expect(await all(client)).toEqual(['last', STOPPED]);
    await closing;
    if (two === one) return;
    expect(await all(await bench.connect(two, '/runs/chat.1'))).toEqual(['a', 'last', STOPPED]);
  });

  it('can be read to its end by who is told that it has ended, to be stored', async () => {
    const [one, two] = await bench.startTwo();
    const stored = deferred<unknown[]>();
    one.runs.events$
      .pipe(filter(({ type, isOwn }) => type === 'ended' && isOwn))
      .pipe(concatMap(({ run }) => one.runs.stream(run.id).pipe(toArray())))
      .subscribe((events) => stored.resolve(events.map(({ data }) => data)));
    await one.runs.start('chat.1', async ({ emit, signal }) => {
      await emit('a');
      await waitForAbort(signal);
      await emit('last');
    });
    await two.runs.stop('chat.1');
    expect(await stored.promise).toEqual(['a', 'last', { status: 'stopped' }]);
  });
});
