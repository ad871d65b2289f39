import type { Core } from './core.js';
import { ReaderRun } from './reader-run.js';
import { SocketRun } from './socket-run.js';
import type { Witness } from './witness.js';

/** Steps of a run, before everything is let arrive. */
const STEPS = 60;
/** Runs over sockets that are under way at a time. */
const AT_A_TIME = 4;

/** What the runs came across, so that a checker that checks nothing is noticed. */
export interface Tally {
  seen: number;
  gaps: number;
  repeats: number;
}

interface Run {
  readonly clients: readonly { readonly witness: Witness }[];
  readonly steps: readonly string[];
  run(steps: number): Promise<void>;
}

/** Runs the reader through these seeds. @throws with the seed and the story of the first that fails */
export async function checkReader(core: Core, seeds: readonly number[]): Promise<Tally> {
  const tally: Tally = { seen: 0, gaps: 0, repeats: 0 };
  for (const seed of seeds) await check('the reader', seed, new ReaderRun(core, seed), tally);
  return tally;
}

/** The same over real sockets. */
export async function checkSockets(core: Core, seeds: readonly number[]): Promise<Tally> {
  const tally: Tally = { seen: 0, gaps: 0, repeats: 0 };
  const waiting = [...seeds];
  const work = async () => {
    for (;;) {
      const seed = waiting.shift();
      if (seed === undefined) return;
      try {
        await check('sockets', seed, new SocketRun(core, seed), tally);
      } catch (error) {
        waiting.length = 0;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: AT_A_TIME }, work));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return tally;
}

async function check(what: string, seed: number, run: Run, tally: Tally): Promise<void> {
  try {
    await run.run(STEPS);
  } catch (error) {
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const how = `MODEL_SEED=${seed} npm test -- test/model/model.spec.ts -t '${what}'`;
    throw new Error(`Seed ${seed} (${how}): ${why}\nSteps: ${run.steps.join(', ')}`);
  }
  for (const { witness } of run.clients) {
    tally.seen += witness.seen;
    tally.gaps += witness.gaps;
    tally.repeats += witness.repeats;
  }
}
