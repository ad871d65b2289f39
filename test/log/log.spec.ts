import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { matching } from 'nestjs-event-stream';
import { TopicMatcher } from '../../src/log/matching.js';
import type { History } from '../../src/log/log-sink.js';
import type { Entry, EventRecord } from '../../src/log/entry.js';
import { Log } from '../../src/log/log.js';
import type { TopicIndex } from '../../src/log/topic-index.js';
import { TurnScheduler } from '../../src/log/turn-scheduler.js';

const OVERHEAD = 384;
const SLOT = 24;
const SURELY_REMEMBERED = 5_000;
let log: Log;

afterEach(() => log.close());

function open(history: Partial<History> = {}): TurnScheduler {
  const turn = new TurnScheduler();
  log = new Log({ maxEvents: 1_000_000, maxBytes: 1e9, maxAge: false, ...history }, turn);
  log.reset('e', 0);
  return turn;
}

function append(topics: string | string[], more: Partial<EventRecord> = {}): void {
  const list = typeof topics === 'string' ? [topics] : topics;
  log.append(log.head + 1, { topics: list, text: 'data', isJson: false, ...more });
}

function turnOver(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Somebody who streams, so that an index is kept. */
function watch(index: TopicIndex): { close: () => void } {
  index.observer = { next: () => {} };
  return { close: () => (index.observer = undefined) };
}

function offsets(index: TopicIndex): number[] {
  return [...index.entries].map(({ offset }) => offset);
}

describe('The log keeps no more than its bounds allow', () => {
  it('of events', async () => {
    open({ maxEvents: 3 });
    for (let count = 0; count < 10; count++) append('a');
    await turnOver();
    expect([log.length, log.lost, log.head]).toEqual([3, 7, 10]);
    expect(offsets(log.indexOf('a'))).toEqual([8, 9, 10]);
    expect(log.indexOf('a').lost).toBe(7);
  });

  it('of bytes, and counts them', async () => {
    open({ maxBytes: 5_500 });
    append('a', { text: 'x'.repeat(1_000) });
    const cost = log.bytes;
    append('a', { text: 'x'.repeat(1_000) });
    const more = log.bytes - cost;
    expect(more).toBe('id: e.2\ndata: \n\n'.length + 1_000 + OVERHEAD + SLOT);
    append('a', { text: 'x'.repeat(1_000) });
    await turnOver();
    expect(log.bytes).toBe(cost + 2 * more);
    append('a', { text: 'é'.repeat(1_000) });
    await turnOver();
    expect([log.length, log.bytes]).toEqual([2, cost + more + 1_000]);
  });

  it('of one event that is bigger than all of it', async () => {
    open({ maxBytes: 1_000 });
    append('a', { text: 'x'.repeat(2_000) });
    expect(log.length).toBe(1);
    await turnOver();
    expect([log.length, log.bytes, log.lost]).toEqual([0, 0, 1]);
  });

  it('of time, without anything happening', async () => {
    open({ maxAge: 20 });
    append('a');
    await turnOver();
    expect(log.length).toBe(1);
    const deadline = Date.now() + 2_000;
    while (log.length > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect([log.length, log.lost]).toEqual([0, 1]);
  });

  it('of time, whatever the wall clock does', async () => {
    open({ maxAge: 3_600_000 });
    const clock = jest.spyOn(Date, 'now').mockReturnValue(0);
    append('a');
    clock.mockReturnValue(7_200_000);
    await turnOver();
    clock.mockRestore();
    expect(log.length).toBe(1);
  });

  it('and gives back the memory of what it dropped', async () => {
    open({ maxEvents: 10 });
    const dropped: WeakRef<Entry>[] = [];
    for (let count = 0; count < 60; count++) {
      append(['a', 'b'], { key: 'k' });
      const entry = log.latest('a', 'k');
      if (entry !== undefined) dropped.push(new WeakRef(entry));
    }
    await turnOver();
    await turnOver();
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
    expect(dropped.filter((reference) => reference.deref() !== undefined).length).toBe(10);
  });
});

describe('The log trims at the end of the turn', () => {
  it('so that a burst within one turn is there until readers have run', async () => {
    const turn = open({ maxEvents: 2 });
    let seen = 0;
    turn.add({ queued: false, run: () => (seen = log.length) });
    for (let count = 0; count < 10; count++) append('a');
    await turnOver();
    expect([seen, log.length]).toEqual([10, 2]);
  });

  it('and not while a round goes on, though what readers were told of grows old meanwhile', async () => {
    const turn = open({ maxAge: 5 });
    append('a');
    await turnOver();
    const seen: number[] = [];
    const ended = new Promise<void>((resolve) => turn.onEnd(resolve));
    for (let count = 0; count < 200; count++) {
      const run = () => {
        const end = performance.now() + 1;
        while (performance.now() < end);
        seen.push(log.length);
      };
      turn.add({ queued: false, run });
    }
    await ended;
    expect([seen.length, new Set(seen), log.length]).toEqual([200, new Set([1]), 0]);
  });

  it('and not what came while readers ran, which some of them have yet to be called for', async () => {
    const turn = open({ maxEvents: 2 });
    const seen: number[] = [];
    const reader = { queued: false, run: () => void seen.push(log.length) };
    turn.add(reader);
    turn.add({
      queued: false,
      run: () => {
        for (let count = 0; count < 10; count++) append('a');
        turn.add(reader);
      },
    });
    await turnOver();
    await turnOver();
    expect(seen).toEqual([0, 10]);
    expect(log.length).toBe(2);
  });
});

describe('An index per topic', () => {
  it('holds the events of its topic only', () => {
    open();
    append('a');
    append('b');
    append(['a', 'b']);
    expect(offsets(log.indexOf('a'))).toEqual([1, 3]);
    expect(offsets(log.indexOf('b'))).toEqual([2, 3]);
  });

  it('remembers what its topic lost, although nobody streams it', async () => {
    open({ maxEvents: 1 });
    append('a');
    append('b');
    await turnOver();
    expect(log.topicCount).toBe(1);
    expect(log.indexOf('a').lost).toBe(1);
    expect(log.indexOf('never used').lost).toBe(0);
  });

  it('of a matcher is made once for all who use the same pattern, and holds what is there', () => {
    open();
    append('orders.1');
    append('news');
    const index = log.indexOfRule(matching('orders.*'));
    append('orders.2');
    expect(log.indexOfRule(matching('orders.*'))).toBe(index);
    expect(offsets(index)).toEqual([1, 3]);
  });

  it('of a matcher knows what its topics lost before it was made', async () => {
    open({ maxEvents: 1 });
    append('orders.1');
    append('news');
    await turnOver();
    expect(log.indexOfRule(matching('orders.*')).lost).toBe(1);
    expect(log.indexOfRule(matching('users.*')).lost).toBe(0);
  });

  it('of a matcher that nobody uses any more goes, when there are many', () => {
    open();
    const used = watch(log.indexOfRule(matching('used.*')));
    for (let count = 0; count < 1_000; count++) {
      const rule = matching(`unused${count}.*`);
      log.indexOfRule(rule);
      log.releaseRule(rule);
    }
    expect(log.topicCount).toBeLessThan(20);
    append('used.1');
    expect(offsets(log.indexOfRule(matching('used.*')))).toEqual([1]);
    used.close();
  });

  it('of a matcher costs the topics that it selects, and an event the matchers that select it', () => {
    open();
    for (let count = 0; count < 100; count++) append(['a', `other.${count}`]);
    append(['user.7.x', 'user.7.y']);
    const matches = jest.spyOn(TopicMatcher.prototype, 'matches');
    const indexes = [1, 2, 3, 7].map((user) => log.indexOfRule(matching(`user.${user}.**`)));
    append(['user.7.z', 'user.2.x']);
    expect(indexes.map(offsets)).toEqual([[], [102], [], [101, 102]]);
    expect(matches).not.toHaveBeenCalled();
    matches.mockRestore();
  });

  it('goes with the last event and the last reader', async () => {
    open({ maxEvents: 1 });
    const reader = watch(log.indexOf('a'));
    append('a');
    append('b');
    await turnOver();
    expect(log.topicCount).toBe(2);
    reader.close();
    log.release('a');
    expect(log.topicCount).toBe(1);
  });

  it('gives the last event of a key within its topic', async () => {
    open({ maxEvents: 2 });
    append('a', { key: 'k' });
    append('b', { key: 'k' });
    expect(log.latest('a', 'k')?.offset).toBe(1);
    append('a', { key: 'k' });
    expect(log.latest('a', 'k')?.offset).toBe(3);
    append('b');
    await turnOver();
    expect([log.latest('a', 'k')?.offset, log.latest('b', 'k')]).toEqual([3, undefined]);
  });
});

describe('Any number of topics that were used once', () => {
  it('leave nothing behind, and none of them is taken for one that lost nothing', async () => {
    open({ maxEvents: 100 });
    const first = 1;
    for (let count = 1; count <= 50_000; count++) {
      append(`topic.${count}`);
      if (count % 10_000 === 0) await turnOver();
    }
    await turnOver();
    expect([log.length, log.topicCount]).toEqual([100, 100]);
    expect(log.indexOf(`topic.${first}`).lost).toBeGreaterThanOrEqual(first);
    // Those that were last are still known one by one.
    const remembered = log.lost - SURELY_REMEMBERED + 100;
    expect(log.indexOf(`topic.${remembered}`).lost).toBe(remembered);
  });
});

describe('A hole in the log', () => {
  it('is crossed by everybody who is before it', () => {
    open();
    append('a');
    log.lose(5);
    append('a');
    expect([log.head, log.holeAfter(0), log.holeAfter(5)]).toEqual([
      6,
      { after: 1, upTo: 5 },
      undefined,
    ]);
  });

  it('that grows is one hole', () => {
    open();
    for (let offset = 2; offset <= 10; offset++) log.lose(offset);
    expect(log.holeAfter(0)).toEqual({ after: 0, upTo: 10 });
    expect(log.holeAfter(7)).toEqual({ after: 0, upTo: 10 });
  });

  it('is remembered by every topic when it leaves the log', async () => {
    open({ maxEvents: 1 });
    const reader = watch(log.indexOf('a'));
    const rule = watch(log.indexOfRule(matching('a.*')));
    append('b');
    log.lose(5);
    append('b');
    append('b');
    await turnOver();
    expect(log.holeAfter(0)).toBeUndefined();
    expect(log.indexOf('a').lost).toBe(5);
    expect(log.indexOfRule(matching('a.*')).lost).toBe(5);
    expect(log.indexOf('never seen').lost).toBe(5);
    reader.close();
    rule.close();
  });

  it('has to be announced before what follows it', () => {
    open();
    expect(() => log.append(3, { topics: ['a'], text: '', isJson: false })).toThrow(
      'appended offset 3 after 0',
    );
  });
});

describe('Another log', () => {
  it('begins with nothing held, and tells every reader', async () => {
    open();
    let announcements = 0;
    const count = () => {
      announcements++;
    };
    append('a', { key: 'k' });
    await turnOver();
    log.indexOf('a').observer = { next: count };
    log.reset('f', 7);
    expect([log.epoch, log.head, log.lost, log.length, log.bytes]).toEqual(['f', 7, 7, 0, 0]);
    expect([announcements, log.latest('a', 'k'), log.indexOf('a').lost]).toEqual([1, undefined, 7]);
    append('a');
    expect(offsets(log.indexOf('a'))).toEqual([8]);
  });
});

describe('TurnScheduler', () => {
  it('tells nobody of the end of a round who has left', async () => {
    const turn = new TurnScheduler();
    const told: string[] = [];
    const leave = turn.onEnd(() => told.push('left'));
    turn.onEnd(() => told.push('stays'));
    await turn.nextRound();
    leave();
    await turn.nextRound();
    expect(told).toEqual(['left', 'stays', 'stays']);
  });
});
