import { expect, it } from '@jest/globals';
import { until } from '../support/until.js';
import { deferred, eachSharedBackplane, waitForAbort } from './instances.js';

eachSharedBackplane((bench) => {
  it('says of each of many runs what it has emitted, while they are live', async () => {
    const [one, two] = await bench.startTwo({
      runs: { lease: 1_000, stopTimeout: 0, drain: { runs: 'stop' } },
    });
    const go = deferred();
    const starts = Array.from({ length: 210 }, (_, n) =>
      one.runs.start(`chat.${n}`, async ({ emit, signal }) => {
        await go.promise;
        await emit('abc');
        await waitForAbort(signal);
      }),
    );
    await Promise.all(starts);
    await until('the other knows them', () => two.runs.list().length === starts.length);
    go.resolve();
    await until('and what they have emitted', () =>
      two.runs.list().every((run) => run.bytes === 3),
    );
    expect(two.runs.list().every(({ status, events }) => status === 'live' && events === 1)).toBe(
      true,
    );
  });
});
