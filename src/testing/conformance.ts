import type { Backplane } from '../backplane/backplane.js';
import { ARCHIVE_CHECKS } from './conformance-archive-checks.js';
import { ConformanceBench, type ConformanceOptions } from './conformance-bench.js';
import { CALL_CHECKS } from './conformance-call-checks.js';
import { SINK_CHECKS } from './conformance-sink-checks.js';

/** What a backplane has to be tested with: everything here belongs to one log. */
export interface BackplaneUnderTest {
  /** One more instance of the application, not opened. */
  instance(): Backplane;
  /** Makes whatever orders the events forget them all, as a broker that restarts empty does. */
  forget?(): Promise<void>;
  /** Makes it answer nobody; calls what it returned to let it answer again. */
  interrupt?(): Promise<() => Promise<void>>;
  /** Ends whatever was set up. */
  tearDown?(): Promise<void>;
}

/** One line of the contract, and a check of it. */
export interface ConformanceCheck {
  /** The line, as the doc comment of `Backplane` has it, or that of its `Archive`. */
  readonly name: string;
  /** Rejects with an `AssertionError` that says what was not as it should be. */
  readonly run: () => Promise<void>;
}

/**
 * Checks that a backplane keeps the contract of `Backplane`, and of its `Archive` if it has one, line by line, with
 * any test framework. What needs several instances is left out for one that is local; what needs `forget` or
 * `interrupt` is left out where the backplane does not offer it; about a backplane that has no `archive` when it is
 * opened with `history.topics`, the checks of the archive say nothing.
 *
 * @param setUp makes a new log; called for each check
 * @example
 * for (const { name, run } of backplaneConformance(() => ({ instance: () => new MyBackplane() }))) {
 *   it(name, run);
 * }
 */
export function backplaneConformance(
  setUp: () => BackplaneUnderTest | Promise<BackplaneUnderTest>,
  options: ConformanceOptions = {},
): readonly ConformanceCheck[] {
  return [...SINK_CHECKS, ...CALL_CHECKS, ...ARCHIVE_CHECKS].map(({ name, check }) => ({
    name,
    run: async () => {
      const bench = new ConformanceBench(await setUp(), options);
      try {
        await check(bench);
      } finally {
        await bench.tearDown();
      }
    },
  }));
}
