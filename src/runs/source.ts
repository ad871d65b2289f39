import { isObservable, type Observable, Subject, takeUntil } from 'rxjs';
import { received, SseError, toError } from '../errors.js';
import type { NewEvent } from '../log/event.js';

/** What a run consists of: what it yields are events, `{ type?, data, key? }`, or plain data. */
export type RunSource = AsyncIterable<unknown> | Observable<unknown> | ReadableStream<unknown>;

/** What a function that makes a source is given. */
export interface RunContext {
  readonly id: string;
  /** Aborted when the run is stopped, or nothing that it emits counts any more; its reason is an `SseError`. */
  readonly signal: AbortSignal;
  /**
   * Emits an event, or plain data, beside what the source yields. Resolves when it is in the log as a part of the run.
   *
   * Rejects with an `SseError`: `RUN_ENDED` when the run has ended, or somebody else has taken its place; as `publish`
   * does otherwise, and then the run fails.
   */
  readonly emit: (value: unknown) => Promise<void>;
}

/** Makes the source of a run: an async generator function, or any other; what emits by itself returns nothing. */
export type RunFactory = (
  context: RunContext,
) => RunSource | undefined | Promise<RunSource | undefined> | Promise<void>;

/** Where what a source yields goes to. */
export interface SourceSink {
  /** Takes a value; what goes wrong with it is said by {@link room}. */
  add(value: unknown): void;
  /** Resolves when there is room for another value; rejects if one was not published. */
  room(): Promise<void> | undefined;
}

/** A source that is read to its end, or until {@link stop}. */
export class SourceReader {
  readonly #sink: SourceSink;
  #isStopped = false;
  #stop: ((failure: unknown) => void) | undefined;

  constructor(sink: SourceSink) {
    this.#sink = sink;
  }

  /** Resolves at its end, or when it was stopped; rejects with its error. */
  async read(source: RunSource): Promise<void> {
    if (!isObservable(source)) await this.#iterate(iteratorOf(source));
    // One that came too late has not begun.
    else if (!this.#isStopped) await this.#observe(source);
  }

  /**
   * Lets go of the source: a generator runs its `finally`, an Observable its teardown.
   *
   * @param failure what is thrown at where the source has yielded, if something was not published
   */
  stop(failure?: unknown): void {
    this.#isStopped = true;
    const stop = this.#stop;
    this.#stop = undefined;
    stop?.(failure);
  }

  #observe(source: Observable<unknown>): Promise<void> {
    return new Promise((resolve, reject) => {
      // What emits at once does so while it is subscribed to: nothing but this ends it then.
      const stopped = new Subject<void>();
      this.#stop = () => stopped.next();
      source.pipe(takeUntil(stopped)).subscribe({
        next: (value) => {
          this.#sink.add(value);
          this.#sink.room()?.catch((error: unknown) => {
            reject(toError(error));
            stopped.next();
          });
        },
        error: reject,
        complete: resolve,
      });
    });
  }

  #iterate(iterator: AsyncIterator<unknown, unknown>): Promise<void> {
    return new Promise((resolve, reject) => {
      // One that waits for something else never answers: nobody waits for it.
      this.#stop = (failure) => {
        void end(iterator, failure);
        resolve();
      };
      // It may have come too late.
      if (this.#isStopped) this.stop();
      else this.#pull(iterator).then(resolve, reject);
    });
  }

  async #pull(iterator: AsyncIterator<unknown, unknown>): Promise<void> {
    for (;;) {
      // What was not published is thrown at where the source has yielded it, or something after it.
      const room = this.#sink.room();
      if (room !== undefined) await room.catch((error: unknown) => this.stop(error));
      const { done = false, value } = this.#isStopped ? OVER : await iterator.next();
      if (done) this.#stop = undefined;
      if (done || this.#isStopped) return;
      this.#sink.add(value);
    }
  }
}

const OVER: IteratorResult<unknown, unknown> = { done: true, value: undefined };

async function end(iterator: AsyncIterator<unknown, unknown>, failure: unknown): Promise<void> {
  try {
    if (failure !== undefined) await iterator.throw?.(failure);
    await iterator.return?.();
  } catch {
    // It was to end, and has.
  }
}

/** The iterator of a ReadableStream would wait for its next value before it cancels. */
function iteratorOf(source: Exclude<RunSource, Observable<unknown>>): AsyncIterator<unknown> {
  if (!('getReader' in source)) return source[Symbol.asyncIterator]();
  const reader = source.getReader();
  const cancel = async (reason?: unknown): Promise<IteratorResult<unknown>> => {
    await reader.cancel(reason);
    return OVER;
  };
  return { next: () => reader.read(), return: cancel, throw: cancel };
}

/** Whether a value is a source, and not a function that makes one. */
export function isSource(value: unknown): value is RunSource {
  if (isObservable(value)) return true;
  if (typeof value !== 'object' || value === null) return false;
  return typeof (value as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] === 'function';
}

/** @throws SseError `BAD_OPTION` */
export function checkSource(source: unknown, name: string): RunSource {
  if (isSource(source)) return source;
  throw new SseError(
    'BAD_OPTION',
    `${name} is an AsyncIterable, an Observable, a ReadableStream, or a function that returns one of them: ` +
      `received ${received(source)}`,
  );
}

/** An event as it was yielded; anything else is the data of one. */
export function toEvent(value: unknown): NewEvent {
  const isEvent =
    typeof value === 'object' &&
    value !== null &&
    'data' in value &&
    Object.keys(value).every((name) => name === 'data' || name === 'type' || name === 'key');
  return isEvent ? value : { data: value };
}
