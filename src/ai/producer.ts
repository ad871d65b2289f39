import { HttpException } from '@nestjs/common';
import { filter, firstValueFrom } from 'rxjs';
import type { RunContext, RunInfo, RunOptions, SseRuns } from '../runs/index.js';

/** A run that is written from outside, by somebody who does not hand over a source. */
export class Producer {
  readonly #context: RunContext;
  readonly #end: (error?: Error) => void;
  #isEnded = false;

  private constructor(context: RunContext, end: (error?: Error) => void) {
    this.#context = context;
    this.#end = end;
  }

  /** Undefined if there is a run of that id, and the options leave it at that. */
  static async start(
    runs: SseRuns,
    id: string,
    options: RunOptions,
  ): Promise<Producer | undefined> {
    let onContext: (producer: Producer) => void;
    const producer = new Promise<Producer>((resolve) => (onContext = resolve));
    const source = (context: RunContext) =>
      new Promise<void>((resolve, reject) => {
        const end = (error?: Error) => {
          if (error === undefined) resolve();
          else reject(error);
        };
        onContext(new Producer(context, end));
      });
    const { isNew } = await runs.start(id, source, options);
    return isNew ? producer : undefined;
  }

  /** Aborted when the run is stopped, or nothing that is written counts any more. */
  get signal(): AbortSignal {
    return this.#context.signal;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Rejects as `emit` of a run does. */
  write(data: unknown): Promise<void> {
    return this.#context.emit({ data });
  }

  /** @param message of a run that failed, as its readers are told it */
  end(message?: string): void {
    this.#isEnded = true;
    this.#end(message === undefined ? undefined : new HttpException(message, 500));
  }
}

/** Resolves with a run when it has ended; undefined if nobody knows it any more. */
export async function ended(runs: SseRuns, id: string): Promise<RunInfo | undefined> {
  const ends = runs.events$.pipe(filter(({ type, run }) => type === 'ended' && run.id === id));
  const end = firstValueFrom(ends, { defaultValue: undefined });
  const run = await runs.find(id);
  return run?.status === 'live' ? (await end)?.run : run;
}
