import { expect, it, jest } from '@jest/globals';
import type { EventBus } from 'nestjs-event-stream';
import { lastValueFrom, Observable, range, throwError, toArray } from 'rxjs';
import type { RunFactory, SseRuns } from 'nestjs-event-stream/runs';
import { until } from '../support/until.js';
import { deferred, eachBackplane, waitForAbort } from './instances.js';

/** What may be on its way to the log before a source is asked for more. */
const MOST = 256;

/** Has what is published for runs wait, or fail, and counts what was published in one turn of the event loop. */
function intercept(bus: EventBus, before: (data: string) => Promise<void>): { batches: number[] } {
  const order = bus.order.bind(bus);
  const seen: { batches: number[] } = { batches: [] };
  let isCounting = false;
  jest.spyOn(bus, 'order').mockImplementation(async (record, options) => {
    const isEvent = record.topics[0] === '$run.whole.chat.1' && record.type === undefined;
    if (!isEvent) return order(record, options);
    if (!isCounting) {
      isCounting = true;
      seen.batches.push(0);
      setImmediate(() => (isCounting = false));
    }
    seen.batches.push((seen.batches.pop() ?? 0) + 1);
    await before(record.text);
    return order(record, options);
  });
  return seen;
}

function hasEnded(runs: SseRuns): Promise<void> {
  return until('it has ended', () => runs.get('chat.1')?.status !== 'live');
}

eachBackplane((bench) => {
  it.each(['a generator', 'a ReadableStream'])(
    'asks %s for no more while much is on its way to the log',
    async (kind) => {
      const { runs, bus } = await bench.start();
      const go = deferred();
      const seen = intercept(bus, () => go.promise);
      let pulled = 0;
      const source: RunFactory =
        kind === 'a generator'
          ? async function* () {
              while (pulled < 1_000) yield pulled++;
            }
          : () =>
              new ReadableStream({
                pull: (controller) =>
                  pulled < 1_000 ? controller.enqueue(pulled++) : controller.close(),
              });
      await runs.start('chat.1', source);
      await until('the first are on their way', () => seen.batches.length > 0);
      for (let turn = 0; turn < 50; turn++) await new Promise((next) => setImmediate(next));
      // A ReadableStream has one in its own queue.
      expect(pulled).toBeLessThanOrEqual(MOST + 2);
      go.resolve();
      const events = await lastValueFrom(runs.stream('chat.1').pipe(toArray()));
      expect(events.slice(0, -1).map(({ data }) => data)).toEqual(
        Array.from({ length: 1_000 }, (_, n) => n),
      );
    },
  );

  it('tells its source of what was not published, and fails', async () => {
    const { runs, bus } = await bench.start();
    intercept(bus, (text) =>
      text === 'b' ? Promise.reject(new Error('full')) : Promise.resolve(),
    );
    const told: string[] = [];
    await runs.start('chat.1', async function* ({ signal }) {
      signal.addEventListener('abort', () => told.push('aborted'));
      try {
        for (const text of ['a', 'b', 'c', 'd', 'e', 'f']) {
          yield text;
          await new Promise((next) => setTimeout(next, 5));
        }
        await waitForAbort(signal);
        yield 'g';
      } catch (error) {
        told.push((error as Error).message);
        throw error;
      }
    });
    await hasEnded(runs);
    await until('the source knows', () => told.length === 2);
    expect(told).toEqual(['aborted', 'full']);
    const events = await lastValueFrom(runs.stream('chat.1').pipe(toArray()));
    expect(events.map(({ data }) => data)).toEqual([
      'a',
      { status: 'failed', error: 'Internal server error' },
    ]);
  });

  it('publishes what is emitted in one turn together', async () => {
    const { runs, bus } = await bench.start();
    const seen = intercept(bus, () => Promise.resolve());
    await runs.start('chat.1', async ({ emit }) => {
      await Promise.all(Array.from({ length: 10 }, (_, n) => emit(n)));
      await Promise.all(Array.from({ length: 5 }, (_, n) => emit(n)));
    });
    await hasEnded(runs);
    expect(seen.batches).toEqual([10, 5]);
  });

  it.each<[string, RunFactory, string]>([
    [
      'throws before it gives anything',
      () => {
        throw new Error('at once');
      },
      'failed',
    ],
    ['is an Observable that fails at once', () => throwError(() => new Error('at once')), 'failed'],
    ['yields undefined', () => ReadableStream.from([undefined]), 'failed'],
    ['returns no source', (() => Promise.resolve(7)) as never, 'failed'],
    ['is an Observable of more than may be on its way, at once', () => range(0, 1_000), 'done'],
  ])('ends as it should if its source %s', async (_, source, status) => {
    const { runs, logs } = await bench.start();
    await runs.start('chat.1', source);
    await hasEnded(runs);
    expect(runs.get('chat.1')).toMatchObject({ status, events: status === 'done' ? 1_000 : 0 });
    expect(logs.find('error', 'The run "chat.1" failed')).toHaveLength(status === 'done' ? 0 : 1);
  });

  it('is stopped before its source is there, and cancels a ReadableStream', async () => {
    const { runs } = await bench.start({ runs: { stopTimeout: 30 } });
    await runs.start('chat.1', () => new Promise<undefined>(() => {}));
    expect(await runs.stop('chat.1')).toMatchObject({ status: 'stopped', events: 0 });
    let isCancelled = false;
    const source = new ReadableStream({ cancel: () => void (isCancelled = true) });
    await runs.start('chat.2', source);
    expect(await runs.stop('chat.2')).toMatchObject({ status: 'stopped' });
    expect(isCancelled).toBe(true);
  });

  it('lets go of a source that is there when it has ended', async () => {
    const { runs } = await bench.start({ runs: { stopTimeout: 30 } });
    const go = deferred();
    const seen: string[] = [];
    const iterator = {
      next: async () => ({ done: false, value: seen.push('asked') }),
      return: async () => ({ done: true, value: seen.push('returned') }),
    };
    const late = {
      'chat.1': new ReadableStream({ cancel: () => void seen.push('cancelled') }),
      'chat.2': new Observable(() => void seen.push('subscribed')),
      'chat.3': { [Symbol.asyncIterator]: () => iterator },
    };
    for (const [id, source] of Object.entries(late)) {
      await runs.start(id, async () => {
        await go.promise;
        return source;
      });
      expect(await runs.stop(id)).toMatchObject({ status: 'stopped', events: 0 });
    }
    go.resolve();
    await until('it was let go of', () => seen.length > 1);
    expect(seen).toEqual(['cancelled', 'returned']);
  });

  it('lets go of an Observable that emits at once, without end', async () => {
    const { runs } = await bench.start();
    let emitted = 0;
    const source = new Observable((subscriber) => {
      while (!subscriber.closed && emitted < 1_000) {
        emitted++;
        subscriber.next('x'.repeat(100));
      }
    });
    await runs.start('chat.1', source, { maxBytes: 1_000 });
    await hasEnded(runs);
    expect(runs.get('chat.1')).toMatchObject({ status: 'failed', events: 10 });
    expect(emitted).toBe(11);
  });

  it('refuses what is emitted when it has ended', async () => {
    const { runs } = await bench.start();
    const late = deferred<(value: unknown) => Promise<void>>();
    await runs.start('chat.1', ({ emit }) => {
      late.resolve(emit);
      return undefined;
    });
    await hasEnded(runs);
    const emit = await late.promise;
    await expect(emit('late')).rejects.toMatchObject({ code: 'RUN_ENDED' });
    await expect(emit('late')).rejects.toThrow(/has ended as 'done'/);
  });
});
