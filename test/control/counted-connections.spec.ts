import { expect, it } from '@jest/globals';
import { CountedConnection, CountedConnections } from '../../src/control/counted-connections.js';
import { Random } from '../model/random.js';

const MAX = 5;
const NAME = 'ada';

/** Those that are too many, found by looking at all of them. */
function excessOf(placed: readonly CountedConnection[], tooMany: string): CountedConnection[] {
  const sorted = placed.toSorted((one, other) => one.at - other.at);
  return tooMany === 'newest'
    ? sorted.slice(MAX)
    : sorted.slice(0, Math.max(sorted.length - MAX, 0));
}

it.each(['oldest', 'newest'] as const)(
  'tells of each that is too many when it becomes so, in whatever order they come, move and go: the %s',
  (tooMany) => {
    const random = new Random(7);
    const connections = new CountedConnections(MAX, tooMany);
    const all: CountedConnection[] = [];
    const placed = () => all.filter(({ at }) => at !== Infinity);
    const told = new Set<CountedConnection>();
    for (let step = 0; step < 5_000; step++) {
      const draw = random.next();
      if (draw < 0.35) {
        connections.add(NAME);
        all.push(new CountedConnection(`${step}`, NAME, undefined, undefined));
      } else if (draw < 0.65 && all.length > 0) {
        const [gone] = all.splice(random.int(0, all.length - 1), 1);
        if (gone !== undefined) connections.delete(NAME, gone);
      } else if (all.length > 0) {
        const one = random.pick(all);
        connections.unplace(NAME, one);
        // Mostly the newest, as the log has them.
        one.at = random.chance(0.7) ? step : step - random.int(1, 50) - 0.5;
        const excess = connections.place(NAME, one);
        if (excess !== undefined) {
          expect(excessOf(placed(), tooMany)).toContain(excess);
          told.add(excess);
        }
      }
      const untold = excessOf(placed(), tooMany).filter((each) => !told.has(each));
      expect(untold).toEqual([]);
      expect(connections.isFull(NAME)).toBe(all.length >= MAX);
    }
    expect(told.size).toBeGreaterThan(100);
  },
);
