import { describe, expect, it } from '@jest/globals';
import { judgeOrders, type Visit } from './orders-verdict.js';
import { judge, type Record } from './verdict.js';

const acknowledged = [1, 2, 3, 4].map((offset) => ({
  topics: ['t'],
  text: `event ${offset}`,
  cursor: `a.${offset}`,
}));

function event(offset: number, data = `event ${offset}`, epoch = 'a') {
  return { type: 'message', data, id: `${epoch}.${offset}` };
}

function gap(requested: string, resumedAt: string) {
  const data = JSON.stringify({ reason: 'trimmed', requested, resumedAt });
  return { type: 'gap', data, id: resumedAt };
}

function faultsOf(items: Record['items'], end = 'a.4', start = 'a.0'): string[] {
  return judge([{ topic: 't', start, end, items }], acknowledged).faults;
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

  it('finds a gap in what is kept, unless its log is gone', () => {
    const trimmed = [event(1), gap('a.1', 'a.3'), event(4)];
    const gone = [
      { ...gap('a.4', 'b.0'), data: gap('a.4', 'b.0').data.replace('trimmed', 'epoch') },
    ];
    const faults = (items: Record['items'], end: string, start = 'a.0') =>
      judge([{ topic: 't', start, end, items }], acknowledged, true).faults;
    expect(faults(trimmed, 'a.4')).toHaveLength(1);
    expect(faults(gone, 'b.0', 'a.4')).toEqual([]);
  });

  it('lets what is kept begin later, after a gap, in a log that is gone too', () => {
    const epoch = (requested: string, resumedAt: string) => {
      const { data, ...item } = gap(requested, resumedAt);
      return { ...item, data: data.replace('trimmed', 'epoch') };
    };
    const all = [...acknowledged, { topics: ['t'], text: 'first', cursor: 'b.1' }];
    const faults = (items: Record['items'], others = all) =>
      judge([{ topic: 't', start: '0.7', end: 'b.1', items }], others, true).faults;
    const last = [epoch('a.4', 'b.0'), event(1, 'first', 'b')];
    expect(faults([epoch('0.7', 'a.0'), event(3), event(4), ...last])).toEqual([]);
    expect(faults([epoch('0.7', 'a.0'), event(3), ...last])).toHaveLength(1);
    expect(faults([epoch('0.7', 'a.0'), event(4), ...last.slice(0, 1)])).toHaveLength(1);
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
