import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { UsedKeys } from '../../src/backplane/used-keys.js';

const WINDOW = 300_000;
let now = 1_000;

afterEach(() => {
  jest.restoreAllMocks();
});

function open(): UsedKeys {
  now = 1_000;
  jest.spyOn(performance, 'now').mockImplementation(() => now);
  return new UsedKeys();
}

describe('A key that was used', () => {
  it('is known for five minutes at least, and not for ever', () => {
    const keys = open();
    keys.remember('first', 1);
    now += WINDOW - 1;
    keys.remember('second', 2);
    expect([keys.offsetOf('first'), keys.offsetOf('second')]).toEqual([1, 2]);
    now += WINDOW - 1;
    expect(keys.offsetOf('second')).toBe(2);
    now += 2 * WINDOW;
    expect([keys.offsetOf('first'), keys.offsetOf('second')]).toEqual([undefined, undefined]);
  });

  it('is known until 25,000 others came, and 50,000 are all that are kept', () => {
    const keys = open();
    for (let n = 1; n <= 100_000; n++) keys.remember(`key.${n}`, n);
    expect(keys.offsetOf('key.75001')).toBe(75_001);
    expect(keys.offsetOf('key.100000')).toBe(100_000);
    expect(keys.offsetOf('key.50000')).toBeUndefined();
  });

  it('counts with its length', () => {
    const keys = open();
    for (let n = 0; n < 30; n++) keys.remember(`${n}${'x'.repeat(100_000)}`, n);
    expect(keys.offsetOf(`29${'x'.repeat(100_000)}`)).toBe(29);
    expect(keys.offsetOf(`0${'x'.repeat(100_000)}`)).toBeUndefined();
  });

  it('does not follow a wall clock that steps', () => {
    const keys = open();
    keys.remember('key', 7);
    jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 10 * WINDOW);
    expect(keys.offsetOf('key')).toBe(7);
  });
});
