import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { LogLines } from '../support/log-lines.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { chaos, type Fault } from './chaos.js';
import { buildInstance } from './fleet.js';

/** For all scenarios together. `npm run chaos` sets more. */
const SECONDS = Number(process.env['CHAOS_SECONDS'] ?? 4);
const SEED = Number(process.env['CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 32));

/** Faults that cost Redis nothing that it had. */
const HARMLESS: readonly Fault[] = [
  'kill connections',
  'cut the network',
  'pause Redis',
  'kill an instance',
  'replace an instance',
  'join an instance',
];
const HARMFUL: readonly Fault[] = [
  ...HARMLESS,
  'flush Redis',
  'flush Redis unheard',
  'restart Redis empty',
  'pause an instance',
];

/** Clients are behind the tail whenever they have been away, and read what is kept. */
const KEPT = {
  kept: ['all', 'even'],
  // The last one is mixed: it has gaps, and none of them passes what is kept.
  lanes: [['all'], ['even'], ['even', 'odd']],
  maxEvents: 40,
  absence: 1_000,
};

const TAIL_ONLY = { kept: [], lanes: [['all'], ['even'], ['odd']] };

const EVERY = [2, 5].flatMap((instances) => [
  { instances, faults: HARMLESS, maxEvents: 50_000, absence: 0, ...TAIL_ONLY, mayLose: false },
  { instances, faults: HARMFUL, maxEvents: 200, absence: 2_000, ...TAIL_ONLY, mayLose: true },
  { instances, faults: HARMLESS, ...KEPT, mayLose: false },
  { instances, faults: HARMFUL, ...KEPT, mayLose: true },
]);

/** The short run takes one of each kind, and of those with kept topics the one that excuses nothing. */
const SCENARIOS = SECONDS < 10 ? [EVERY[0], EVERY[5], EVERY[2]].flatMap((one) => one ?? []) : EVERY;

describeWith(REDIS_SERVER, `chaos, with CHAOS_SEED=${SEED}`, (redisPath) => {
  let built: Awaited<ReturnType<typeof buildInstance>>;

  beforeAll(async () => {
    built = await buildInstance();
  });

  afterAll(() => built.remove());

  beforeEach(() => {
    Logger.overrideLogger(new LogLines());
  });

  it.each(SCENARIOS)(
    'each acknowledged event reaches each client once and in one order, or a gap does: $instances instances, Redis may lose data: $mayLose, kept: $kept',
    async (scenario) => {
      const milliseconds = (SECONDS * 1_000) / SCENARIOS.length;
      const run = { milliseconds, seed: SEED, redisPath, folder: built.folder };
      const outcome = await chaos(scenario, run);
      const happened = [...outcome.happened].map(([fault, times]) => `${fault}: ${times}`);
      const { acknowledged, received, gaps, excusedGaps, orders, visits, faults } = outcome;
      if (SECONDS > 60) {
        process.stderr.write(
          `${scenario.instances} instances: ${acknowledged} acknowledged, ${received} received, ` +
            `${gaps} gaps and ${excusedGaps} of mixed topics; ${orders} orders to close, ${visits} streams of owners; ${happened.join(', ')}\n`,
        );
      }
      expect({ seed: SEED, faults }).toEqual({ seed: SEED, faults: [] });
      expect(acknowledged).toBeGreaterThan(0);
      expect(visits).toBeGreaterThan(orders);
      if (!scenario.mayLose) expect({ seed: SEED, gaps }).toEqual({ seed: SEED, gaps: 0 });
    },
    SECONDS * 1_000 + 60_000,
  );
});
