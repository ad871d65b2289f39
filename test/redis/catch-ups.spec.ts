import { setTimeout as elapse } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { LogEnd } from '../../src/redis/log-end.js';

function place(epoch: string, offset: number) {
  return { epoch, offset, id: `${offset}-0` };
}

/** Catching up that begins now. */
function begin(known: LogEnd): { hasEnded(): Promise<boolean> } {
  let hasEnded = false;
  void known.catchUps.wait().then(() => {
    hasEnded = true;
  });
  const hasEndedNow = async () => {
    await Promise.resolve();
    return hasEnded;
  };
  return { hasEnded: hasEndedNow };
}

describe('Catching up ends', () => {
  it('when this instance has read up to what a look found that began later', async () => {
    const known = new LogEnd();
    known.reach(place('a', 1));
    const before = known.catchUps.beginLook();
    const catchUp = begin(known);
    known.observe(place('a', 1), before);
    expect(await catchUp.hasEnded()).toBe(false);
    const after = known.catchUps.beginLook();
    known.observe(place('a', 3), after);
    known.reach(place('a', 2));
    expect(await catchUp.hasEnded()).toBe(false);
    known.reach(place('a', 3));
    expect(await catchUp.hasEnded()).toBe(true);
  });

  it('at once when the look finds nothing that it has not read', async () => {
    const known = new LogEnd();
    known.reach(place('a', 1));
    const catchUp = begin(known);
    known.observe(place('a', 1), known.catchUps.beginLook());
    expect(await catchUp.hasEnded()).toBe(true);
  });

  it('when what the look found has gone with its log', async () => {
    const known = new LogEnd();
    known.reach(place('a', 1));
    const catchUp = begin(known);
    known.observe(place('a', 9), known.catchUps.beginLook());
    known.reach(place('b', 0));
    expect(await catchUp.hasEnded()).toBe(true);
  });

  it('when the backplane is closed, also if it begins later', async () => {
    const known = new LogEnd();
    const catchUp = begin(known);
    known.catchUps.close();
    expect(await catchUp.hasEnded()).toBe(true);
    expect(await begin(known).hasEnded()).toBe(true);
  });
});

describe('What an instance knows of', () => {
  it('never goes back, neither in a log nor to one before', () => {
    const known = new LogEnd();
    for (const [epoch, offset] of [
      ['b', 2],
      ['b', 1],
      ['a', 9],
      ['c', 0],
    ] as const) {
      known.observe(place(epoch, offset), known.catchUps.beginLook());
      if (epoch !== 'c') expect(known.position).toEqual(place('b', 2));
    }
    expect(known.position).toEqual(place('c', 0));
  });

  it('is reached when a later log is, however long the one before was', async () => {
    const known = new LogEnd();
    known.observe(place('a', 9), known.catchUps.beginLook());
    await elapse(2);
    expect(known.lagMs).toBeGreaterThan(0);
    known.reach(place('b', 0));
    expect([known.lagEvents, known.lagMs]).toEqual([0, 0]);
  });
});
