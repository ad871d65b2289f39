import { beforeAll, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { checkReader, checkSockets } from './check.js';
import { type Core, loadCore } from './core.js';

/** Runs of the reader, and over sockets. `npm run check:model` has more. */
const RUNS = Number(process.env['MODEL_RUNS'] ?? 150);
const SOCKET_RUNS = Math.min(RUNS / 8, 250);
const SEED = process.env['MODEL_SEED'];

function seeds(count: number): number[] {
  if (SEED !== undefined) return [Number(SEED)];
  return Array.from({ length: count }, (_, index) => index + 1);
}

describe('Each client sees, for its topics, the log in order, each event once, and no hole without a gap', () => {
  let core: Core;

  beforeAll(async () => {
    Logger.overrideLogger(false);
    core = await loadCore(`${process.cwd()}/src`);
  });

  it('in runs of the reader alone', async () => {
    const tally = await checkReader(core, seeds(RUNS));
    if (SEED === undefined) expectVariety(tally.seen, tally.gaps, RUNS);
  }, 600_000);

  it('in runs over sockets', async () => {
    const tally = await checkSockets(core, seeds(SOCKET_RUNS));
    if (SEED === undefined) expectVariety(tally.seen, tally.gaps, SOCKET_RUNS);
  }, 600_000);

  /** A checker that sees little finds nothing. */
  function expectVariety(seen: number, gaps: number, runs: number): void {
    expect(seen).toBeGreaterThan(runs * 10);
    expect(gaps).toBeGreaterThan(runs / 5);
  }
});
