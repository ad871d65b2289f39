import { expect, it, jest } from '@jest/globals';
import type { EventBus } from 'nestjs-event-stream';
import { until } from '../support/until.js';
import { all, deferred, eachSharedBackplane, texts, told } from './instances.js';

const DONE = 'run-end {"status":"done"}';
/** So short a tail that what is known of runs is soon to be had from the archive only. */
const SHORT = { sse: { history: { maxEvents: 5 } } };

/** Has an instance wait for what the archive has of all runs. */
function withholdRegistry(bus: EventBus): { isAsked: () => boolean; release: () => void } {
  const { promise, resolve } = deferred();
  const readKept = bus.readKept.bind(bus);
  const spy = jest.spyOn(bus, 'readKept').mockImplementation(async (...given) => {
    await promise;
    return readKept(...given);
  });
  return { isAsked: () => spy.mock.calls.length > 0, release: resolve };
}

async function someTurns(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await new Promise((next) => setTimeout(next, 1));
}

eachSharedBackplane((bench) => {
  it('gives its readers the end of a run that it has yet to know of', async () => {
    const [one, two] = await bench.startTwo(SHORT);
    const go = deferred();
    await one.runs.start('chat.1', async function* () {
      yield 'a';
      await go.promise;
      yield 'b';
    });
    const paths = ['/runs/chat.1', '/merged/chat.1', '/several/chat.1,chat.2'];
    const clients = await Promise.all(paths.map((path) => bench.connect(two, path)));
    for (const client of clients) expect(told(await client.take(1))).toEqual(['a']);
    const registry = withholdRegistry(two.bus);
    go.resolve();
    const others = Array.from({ length: 20 }, (_, n) => one.runs.start(`other.${n}`, texts('x')));
    await until('it has lost what it was told of runs', registry.isAsked);
    await someTurns();
    registry.release();
    for (const client of clients) expect(await all(client)).toEqual(['b', DONE]);
    await Promise.all(others);
  });
});
