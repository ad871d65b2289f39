import { afterEach, expect, it, jest } from '@jest/globals';
import { until } from '../support/until.js';
import { all, eachBackplane, texts } from './instances.js';

const DONE = 'run-end {"status":"done"}';
const TWO_HOURS = 7_200_000;

eachBackplane((bench) => {
  afterEach(() => void jest.restoreAllMocks());

  it.each([
    ['back', -TWO_HOURS],
    ['forward', TWO_HOURS],
  ])(
    'can be read for as long as was said if the clock of its instance is set %s',
    async (_, difference) => {
      const instances = await bench.startTwo();
      const [one, two] = instances;
      await one.runs.start('long', texts('a'));
      await one.runs.start('short', texts('b'), { keepFor: 300 });
      for (const { runs } of instances)
        await until('they have ended', () => runs.list().every(({ status }) => status === 'done'));
      const now = Date.now.bind(Date);
      jest.spyOn(Date, 'now').mockImplementation(() => now() + difference);
      for (const { runs } of instances)
        await until('its time is over', () => runs.get('short') === undefined);
      for (const at of [one, two]) {
        expect((await bench.connect(at, '/runs/short')).status).toBe(204);
        expect(await all(await bench.connect(at, '/runs/long'))).toEqual(['a', DONE]);
      }
    },
  );
});
