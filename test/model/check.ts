import type { Core } from './core.js';
import { ReaderRun } from './reader-run.js';

/** Steps of a run, before everything is let arrive. */
const STEPS = 60;

/** What the runs came across, so that a checker that checks nothing is noticed. */
export interface Tally {
  seen: number;
  gaps: number;
  repeats: number;
}

/** Runs the reader through these seeds. @throws with the seed and the story of the first that fails */
export async function checkReader(core: Core, seeds: readonly number[]): Promise<Tally> {
  const tally: Tally = { seen: 0, gaps: 0, repeats: 0 };
  for (const seed of seeds) {
    const run = new ReaderRun(core, seed);
    try {
      await run.run(STEPS);
    } catch (error) {
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
      const how = `MODEL_SEED=${seed} npm test -- test/model/model.spec.ts`;
      throw new Error(`Seed ${seed} (${how}): ${why}\nSteps: ${run.steps.join(', ')}`);
    }
    for (const { witness } of run.clients) {
      tally.seen += witness.seen;
      tally.gaps += witness.gaps;
      tally.repeats += witness.repeats;
    }
  }
  return tally;
}
