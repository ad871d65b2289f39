import { describe, expect, it } from '@jest/globals';
import { matching } from 'nestjs-event-stream';

describe('matching()', () => {
  it.each([
    ['orders.*', 'orders.7', true],
    ['orders.*', 'orders.7.items', false],
    ['orders.*', 'orders', false],
    ['orders.*', 'orders.', false],
    ['*.created', 'orders.created', true],
    ['*.created', 'created', false],
    ['a.*.c', 'a.b.c', true],
    ['a.*.c', 'a.b.b.c', false],
    ['orders.**', 'orders.7', true],
    ['orders.**', 'orders.7.items.3', true],
    ['orders.**', 'orders', false],
    ['**', 'anything.at.all', true],
    ['*', 'one', true],
    ['*', 'one.two', false],
    ['orders', 'orders', true],
    ['a+b.(c)|[d].*', 'a+b.(c)|[d].e', true],
    ['a+b.*', 'aab.e', false],
    ['*', 'line\nbreak', true],
    ['orders.**', 'orders.line\nbreak', true],
    ['ORDERS.*', 'orders.1', false],
  ])('%j selects %j: %p', (pattern, topic, isSelected) => {
    expect(matching(pattern).matches(topic)).toBe(isSelected);
  });

  it.each(['orders*', 'a.**.b', '**.a', '', 'a..b', '.a', 'a.', 'a.*b', '***'])(
    'refuses %j, and says what it takes',
    (pattern) => {
      expect(() => matching(pattern)).toThrow(/a segment is a literal, '\*' .* or a last '\*\*'/);
    },
  );
});
