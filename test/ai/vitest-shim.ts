import { afterEach, beforeEach, describe, expect, it as jestIt, jest } from '@jest/globals';
import { until } from '../support/until.js';

type Test = (context: { onTestFinished(work: () => void): void }) => unknown;

expect.extend({
  toHaveBeenCalledExactlyOnceWith(received: jest.Mock, ...given: unknown[]) {
    const { calls } = received.mock;
    const pass = calls.length === 1 && this.equals(calls[0], given);
    return { pass, message: () => `Called with ${JSON.stringify(calls)}` };
  },
  toHaveBeenCalledOnce(received: jest.Mock) {
    const { length } = received.mock.calls;
    return { pass: length === 1, message: () => `Called ${length} times` };
  },
});

/** Asserts again and again, until it holds. */
function poll(value: () => unknown): { toBe(expected: unknown): Promise<void> } {
  return {
    toBe: (expected) =>
      until(`it is ${String(expected)}`, async () => (await value()) === expected),
  };
}

/** What published tests written for Vitest use of it, on Jest, but those that are not for us. */
export function vitestWithout(isExcluded: (title: string) => boolean): Record<string, unknown> {
  const define = (title: string, test: Test, suffix = ''): void => {
    if (isExcluded(title)) return;
    jestIt(title + suffix, async () => {
      const endings: (() => void)[] = [];
      try {
        await test({ onTestFinished: (work) => endings.push(work) });
      } finally {
        for (const work of endings) work();
      }
    });
  };
  const each =
    (values: readonly unknown[]) =>
    (title: string, test: (value: unknown) => unknown): void => {
      for (const value of values) define(title, () => test(value), ` (${String(value)})`);
    };
  return {
    describe,
    expect: Object.assign(expect, { poll }),
    afterEach,
    beforeEach,
    it: Object.assign(define, { each }),
    vi: {
      fn: jest.fn.bind(jest),
      spyOn: jest.spyOn.bind(jest),
      restoreAllMocks: () => jest.restoreAllMocks(),
      waitFor: (assertion: () => void) =>
        until('the assertion holds', () => {
          try {
            assertion();
            return true;
          } catch {
            return false;
          }
        }),
    },
  };
}
