import assert from 'node:assert/strict';
import type { Backplane, PublishOptions } from '../backplane/backplane.js';
import type { EventRecord } from '../log/entry.js';
import type { History } from '../log/log-sink.js';
import { type Cursor, parseCursor, type StreamPosition } from '../log/cursor.js';
import type { BackplaneUnderTest } from './conformance.js';
import { RecordingSink } from './recording-sink.js';

export interface ConformanceOptions {
  /** Bound of every wait, in milliseconds: longer than the backplane's own bounds. Default 10_000. */
  readonly timeout?: number | undefined;
}

/** One line of the contract, and how it is checked. */
export interface Check {
  readonly name: string;
  readonly check: (bench: ConformanceBench) => Promise<void>;
}

/** An opened instance and what its sink was told. */
export interface Instance {
  readonly backplane: Backplane;
  readonly sink: RecordingSink;
  readonly publish: (
    text: string,
    options?: PublishOptions,
    more?: Partial<EventRecord>,
  ) => Promise<Cursor>;
}

const HISTORY: History = { maxEvents: 1_000, maxBytes: 10_000_000, maxAge: false };

/** Opens instances for a check, and closes them after it. */
export class ConformanceBench {
  readonly timeout: number;
  readonly #underTest: BackplaneUnderTest;
  readonly #opened: Backplane[] = [];

  constructor(underTest: BackplaneUnderTest, { timeout = 10_000 }: ConformanceOptions) {
    this.#underTest = underTest;
    this.timeout = timeout;
  }

  get forget(): (() => Promise<void>) | undefined {
    return this.#underTest.forget?.bind(this.#underTest);
  }

  get interrupt(): (() => Promise<() => Promise<void>>) | undefined {
    return this.#underTest.interrupt?.bind(this.#underTest);
  }

  /** An instance that has not been opened. */
  make(): Backplane {
    const backplane = this.#underTest.instance();
    this.#opened.push(backplane);
    return backplane;
  }

  async open(history: Partial<History> = {}): Promise<Instance> {
    const backplane = this.make();
    const sink = new RecordingSink(this.timeout);
    await this.within('open', backplane.open(sink, { ...HISTORY, ...history }));
    const publish: Instance['publish'] = (text, options, more) =>
      this.within(
        'publish',
        backplane.publish({ topics: ['t'], text, isJson: false, ...more }, options),
      );
    return { backplane, sink, publish };
  }

  /** Two instances of the log; one, if it is local. */
  async openAll(): Promise<[Instance, ...Instance[]]> {
    const first = await this.open();
    return first.backplane.isLocal ? [first] : [first, await this.open()];
  }

  async within<T>(what: string, work: Promise<T>, bound = this.timeout): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const message = `${what}() has not ended within ${bound} ms`;
      timer = setTimeout(() => reject(new assert.AssertionError({ message })), bound);
    });
    return Promise.race([work, late]).finally(() => clearTimeout(timer));
  }

  async tearDown(): Promise<void> {
    await Promise.allSettled(
      this.#opened.map((backplane) => this.within('close', backplane.close())),
    );
    await this.#underTest.tearDown?.();
  }
}

export function positionOf(cursor: Cursor): StreamPosition {
  const position = parseCursor(cursor);
  assert(
    position !== undefined,
    `a cursor is '<epoch>.<offset>': received ${JSON.stringify(cursor)}`,
  );
  return position;
}

/** Whether an error is an `SseError`, of whichever copy of the package. */
export function isSseError(error: unknown, code?: string): boolean {
  return (
    error instanceof Error &&
    error.name === 'SseError' &&
    'code' in error &&
    (code === undefined || error.code === code)
  );
}

/** 0, 1, 2 …, so many of them. */
export const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

/** Publishes on all instances at once and waits until all of them have everything. */
export async function publishEverywhere(
  instances: readonly Instance[],
  count: number,
): Promise<void> {
  const cursors = await Promise.all(
    numbers(count).flatMap((number) =>
      instances.map((instance, index) => instance.publish(`${index}/${number}`)),
    ),
  );
  await reach(instances, Math.max(...cursors.map((cursor) => positionOf(cursor).offset)));
}

/** Waits until all instances have the event at an offset. */
export async function reach(instances: readonly Instance[], offset: number): Promise<void> {
  for (const { sink } of instances) {
    await sink.until(`offset ${offset} comes through the sink`, () => sink.head >= offset);
  }
}
