import { beforeAll, describe, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { loadCore } from './core.js';
import { checkReader } from './check.js';

/** More of them by `MODEL_RUNS=…`; `MODEL_SEED=…` repeats one. */
const RUNS = Number(process.env['MODEL_RUNS'] ?? 2_000);
const SEED = process.env['MODEL_SEED'];

beforeAll(() => Logger.overrideLogger(false));

describe('Each client sees, for its topics, the log in order, each event once, and no hole without a gap', () => {
  it('in runs of the reader alone', async () => {
    const core = await loadCore(`${process.cwd()}/src`);
    const seeds = SEED === undefined ? undefined : [Number(SEED)];
    await checkReader(core, seeds ?? Array.from({ length: RUNS }, (_, index) => index + 1));
  }, 600_000);
});
