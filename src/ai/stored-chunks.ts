import type { RunEndData, SseRuns } from '../runs/index.js';
import type { SseEvent } from '../log/event.js';

/** A part of a run, and where it is in it: 1, 2, 3 … */
export interface StoredChunk {
  readonly number: number;
  readonly cursor: string;
  readonly data: unknown;
}

/** Where a run is read from, and until when. */
export interface ReadOptions {
  readonly after?: string | undefined;
  /** Ends the reading, without an error. */
  readonly signal?: AbortSignal | undefined;
  /** Whether only what there is now is read. */
  readonly isSnapshot?: boolean;
}

type Result = IteratorResult<StoredChunk, undefined>;

/** What was written to a run, to its end: an error if it failed, or its process is gone. */
export class StoredChunks implements AsyncIterableIterator<StoredChunk, undefined> {
  readonly #events: AsyncIterableIterator<SseEvent, undefined>;
  readonly #isSnapshot: boolean;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => void this.#events.return?.();
  #number = 0;
  #isOver = false;

  constructor(runs: SseRuns, id: string, { after, signal, isSnapshot = false }: ReadOptions = {}) {
    this.#events = runs.read(id, { after, announce: isSnapshot });
    this.#isSnapshot = isSnapshot;
    this.#signal = signal;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<Result> {
    while (!this.#isOver && this.#signal?.aborted !== true) {
      const { done, value } = await this.#events.next();
      if (done === true) break;
      const { type, id = '', data } = value;
      if (type === undefined) {
        return { done: false, value: { number: ++this.#number, cursor: id, data } };
      }
      if (type === 'run-end') this.#end(data as unknown as RunEndData);
      else if (type === 'caught-up' && this.#isSnapshot) break;
      else if (type === 'gap') throw new Error('A part of the run is gone');
    }
    return this.return();
  }

  async return(): Promise<Result> {
    this.#isOver = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    await this.#events.return?.();
    return { done: true, value: undefined };
  }

  #end({ status, error }: RunEndData): void {
    this.#isOver = true;
    if (this.#isSnapshot) return;
    if (status === 'failed') throw new Error(error ?? 'The run failed');
    if (status === 'lost') throw new Error('The run was interrupted: its process is gone');
  }
}
