import { beforeEach, describe, expect, it } from '@jest/globals';
import { judgeOrders, type Visit } from './orders-verdict.js';
import { PresenceJudge } from './presence-judge.js';
import { judge, type Record } from './verdict.js';
import type { Visitor } from './visitor.js';
import type { Window } from './window.js';

const acknowledged = [1, 2, 3, 4].map((offset) => ({
  topics: ['t'],
  text: `event ${offset}`,
  cursor: `a.${offset}`,
}));

function event(offset: number, data = `event ${offset}`, epoch = 'a', at = 0) {
  return { type: 'message', data, id: `${epoch}.${offset}`, at };
}

function gap(requested: string, resumedAt: string, reason = 'trimmed', at = 0) {
  const data = JSON.stringify({ reason, requested, resumedAt });
  return { type: 'gap', data, id: resumedAt, at };
}

function faultsOf(items: Record['items'], end = 'a.4', start = 'a.0'): string[] {
  return judge([{ topics: ['t'], start, end, items }], acknowledged).faults;
}

describe('judge()', () => {
  it('finds nothing wrong with everything, once, in order', () => {
    expect(faultsOf([1, 2, 3, 4].map((offset) => event(offset)))).toEqual([]);
    expect(faultsOf([event(3), event(4)], 'a.4', 'a.2')).toEqual([]);
    expect(faultsOf([event(1), event(2)], 'a.2')).toEqual([]);
  });

  it('finds nothing wrong with a gap in the place of what is missing', () => {
    expect(faultsOf([event(1), gap('a.1', 'a.3'), event(4)])).toEqual([]);
    expect(faultsOf([event(1), gap('a.1', 'b.0'), event(1, 'new', 'b')], 'b.1')).toEqual([]);
  });

  const kept = { topics: ['t'], goneAt: new Map([['a', 10]]) };
  const first = { topics: ['t'], text: 'first', cursor: 'b.1' };

  it('finds a gap in what is kept, unless its log is gone', () => {
    const faults = (at: number, others = [...acknowledged, first]) => {
      const items = [event(1), gap('a.1', 'a.4', 'trimmed', at), gap('a.4', 'b.0', 'epoch')];
      const last = event(1, 'first', 'b');
      const record = { topics: ['t'], start: 'a.0', end: 'b.1', items: [...items, last] };
      return judge([record], others, kept).faults;
    };
    expect(faults(20)).toEqual([]);
    expect(faults(5)).not.toEqual([]);
    const end = { topics: ['t'], start: 'a.0', end: 'a.4', items: [gap('a.0', 'a.4')] };
    expect(judge([end], acknowledged, kept).faults).not.toEqual([]);
  });

  it('lets what is kept begin later after an epoch, if that log was gone when it came, and in the tail', () => {
    const faults = (items: Record['items'], others = kept) => {
      const record = { topics: ['t'], start: '0.7', end: 'b.1', items };
      return judge([record], [...acknowledged, first], others).faults;
    };
    const last = [gap('a.4', 'b.0', 'epoch'), event(1, 'first', 'b')];
    const from = (offset: number, at: number) => [
      gap('0.7', 'a.0', 'epoch'),
      event(offset, `event ${offset}`, 'a', at),
    ];
    expect(faults([...from(3, 20), event(4), ...last])).toEqual([]);
    expect(faults([...from(3, 5), event(4), ...last])).toHaveLength(2);
    expect(faults([...from(3, 20), ...last])).toHaveLength(1);
    expect(faults([...from(4, 20), ...last.slice(0, 1)])).toHaveLength(1);
    expect(faults([...from(3, 20), event(4), ...last], { ...kept, topics: [] })).toHaveLength(2);
  });

  it('finds a gap of mixed topics that passes what is kept', () => {
    const topics = ['kept', 'loose', 'kept', 'loose', 'kept', 'loose', 'loose', 'kept'];
    const all = topics.map((topic, index) => ({
      topics: [topic],
      text: `event ${index + 1}`,
      cursor: `a.${index + 1}`,
    }));
    const judgeOf = (...items: Record['items']) => {
      const record = { topics: ['kept', 'loose'], start: 'a.0', end: 'a.8', items };
      return judge([record], all, { topics: ['kept'], goneAt: new Map() });
    };
    const begin = [event(1), gap('a.1', 'a.2')];
    const rest = [event(3), event(5), event(8)];
    expect(judgeOf(...begin, ...rest)).toEqual({ faults: [], gaps: 0, excusedGaps: 1 });
    expect(judgeOf(event(1), event(2), gap('a.2', 'a.2'), ...rest).faults).toEqual([]);
    expect(judgeOf(event(1), event(2), gap('a.2', 'a.1'), ...rest).faults).toHaveLength(1);
    expect(judgeOf(event(1), gap('a.1', 'a.3'), ...rest.slice(1)).faults).toHaveLength(1);
    expect(judgeOf(...begin, event(3), event(8)).faults).toHaveLength(1);
    // Where the tail has begun again nothing is missing.
    expect(judgeOf(...begin, event(3), event(5), event(6), event(8)).faults).toHaveLength(1);
    expect(judgeOf(event(1), event(3), event(5), event(8)).faults).toHaveLength(4);
    expect(judgeOf(event(1), gap('a.1', 'a.8')).faults).toHaveLength(3);
  });

  it.each<[string, Record['items'], end?: string, start?: string]>([
    ['a missing event', [event(1), event(2), event(4)]],
    ['a missing event at the end', [event(1), event(2), event(3)]],
    ['a repeated event', [event(1), event(2), event(2), event(3), event(4)]],
    ['events in another order', [event(2), event(1), event(3), event(4)]],
    ['another event in its place', [event(1), event(2, 'other'), event(3), event(4)]],
    ['a gap that is too short', [event(1), gap('a.1', 'a.2'), event(4)]],
    ['a gap from elsewhere', [event(1), event(2), gap('a.1', 'a.3'), event(4)]],
    [
      'a repeated event after a gap',
      [event(1), gap('a.1', 'b.0'), event(1, 'event 1', 'b')],
      'b.1',
    ],
    [
      'a log that it has left',
      [gap('a.0', 'b.0'), gap('b.0', 'a.1'), event(2), event(3), event(4)],
      'a.4',
    ],
    [
      'a log before its own',
      [gap('b.0', 'a.0'), ...[1, 2, 3, 4].map((n) => event(n))],
      'a.4',
      'b.0',
    ],
    ['a gap that leads back', [event(1), event(2), gap('a.2', 'a.0'), event(3), event(4)]],
    ['another log without a gap', [event(1), event(2), event(3), event(4, 'x', 'b')]],
  ])('finds %s', (_, items, end = 'a.4', start = 'a.0') => {
    expect(faultsOf(items, end, start)).not.toEqual([]);
  });
});

describe('judgeOrders()', () => {
  const order = { owner: 'ada', askedAt: 10, acknowledgedAt: 20 };
  const begunAt = new Map([
    ['before', 19],
    ['after', 21],
  ]);
  const visit = (more: Partial<Visit>): Visit => ({
    owner: 'ada',
    openedAt: 5,
    endedAt: 30,
    texts: [],
    ...more,
  });
  const faultsOf = (more: Partial<Visit>) => judgeOrders([order], [visit(more)], begunAt);

  it('finds nothing wrong with streams that have ended, and with those that nobody meant', () => {
    expect(faultsOf({ texts: ['before', 'of another publisher'] })).toEqual([]);
    expect(faultsOf({ openedAt: 15, texts: ['after'] })).toEqual([]);
    expect(
      judgeOrders([order], [{ owner: 'grace', openedAt: 5, texts: ['after'] }], begunAt),
    ).toEqual([]);
  });

  it('finds one that is open still, and one that got what was published after', () => {
    expect(judgeOrders([order], [{ owner: 'ada', openedAt: 5, texts: [] }], begunAt)).toHaveLength(
      1,
    );
    expect(faultsOf({ texts: ['before', 'after'] })).toHaveLength(1);
  });
});

describe('PresenceJudge', () => {
  const PROMISE = { lease: 3_000, grace: 1_500, missing: 1_000, slack: 500, patience: 700 };
  let now: number;
  let judge: PresenceJudge;
  let ada: { owner: string; openSince: number | undefined; openUntil: number };
  let owners: Set<string>;

  beforeEach(() => {
    now = 10_000;
    ada = { owner: 'ada', openSince: undefined, openUntil: now };
    owners = new Set(['ada']);
    judge = new PresenceJudge([ada as unknown as Visitor], PROMISE, () => now);
  });

  const look = () => judge.look([{ model: { owners }, openSince: 0 } as unknown as Window]);
  function pass(milliseconds: number): void {
    for (const end = now + milliseconds; now < end;) {
      now += 50;
      look();
    }
  }

  it('finds who is shown for longer than the lease, and no sooner', () => {
    pass(3_500);
    expect(judge.faults).toEqual([]);
    pass(50);
    expect(judge.faults).toEqual(['window 0 shows ada, away for 3550 ms']);
  });

  it('finds who is missing for longer than a second, and no sooner', () => {
    owners.clear();
    ada.openSince = now;
    pass(1_500);
    expect(judge.faults).toEqual([]);
    pass(50);
    expect(judge.faults).toEqual(['window 0 misses ada, there since 1550 ms']);
  });

  it('counts no time for which its process was held up, and all of the rest', () => {
    pass(2_000);
    now += 900;
    look();
    pass(1_500);
    expect(judge.faults).toEqual([]);
    pass(50);
    expect(judge.faults).toHaveLength(1);
  });

  it('counts from when the log answers again that was away', async () => {
    pass(2_000);
    let answer: () => void = () => {};
    const asking = judge.ask(() => new Promise<void>((resolve) => (answer = resolve)));
    pass(3_000);
    answer();
    await asking;
    pass(3_500);
    expect(judge.faults).toEqual([]);
    pass(50);
    expect(judge.faults).toHaveLength(1);
  });

  it('counts no time for which the log was slow to answer, and all of the rest', async () => {
    for (let passed = 0; passed < 3_500; passed += 700) {
      await judge.ask(async () => pass(600));
      pass(100);
    }
    expect(judge.faults).toEqual([]);
    pass(3_000);
    expect(judge.faults).toEqual([]);
    pass(50);
    expect(judge.faults).toHaveLength(1);
  });

  it('counts all the time in which the log answers at once', async () => {
    for (let passed = 0; passed < 3_500; passed += 100) await judge.ask(async () => pass(100));
    expect(judge.faults).toEqual([]);
    pass(50);
    expect(judge.faults).toHaveLength(1);
  });
});
