import { afterEach, expect, it } from '@jest/globals';
import type { ArchiveQuery } from '../../src/backplane/archive.js';
import { MemoryArchive } from '../../src/backplane/memory-archive.js';
import { RetentionRules, type TopicRetention } from '../../src/log/retention.js';
import type { TopicRule } from '../../src/log/topics.js';

let archive: MemoryArchive;

afterEach(() => archive.close());

it.each([
  ['keepEvents', { match: 'a', keepEvents: 2 }],
  ['keepLatestPerKey', { match: 'a', keepLatestPerKey: true }],
  ['keepFor', { match: 'a', keepFor: 10 }],
])('Nothing is left in memory of what %s has dropped', (_, rule) => {
  archive = new MemoryArchive(new RetentionRules([rule]), 1e9, '');
  for (let offset = 1; offset <= 20_000; offset++) {
    archive.add(offset, { topics: ['a'], key: 'k', text: 'x', isJson: false, at: 1 }, offset);
  }
  expect(archive.placeCount).toBeLessThan(2_000);
});

it('What is kept is dropped in the order of the log when there is no room, also after that', async () => {
  const rules = new RetentionRules([{ match: 'few', keepEvents: 1 }, { match: 'all' }]);
  archive = new MemoryArchive(rules, 1_000_000, '');
  for (let offset = 1; offset <= 20_000; offset++) {
    const topics = [offset % 2 === 0 ? 'all' : 'few'];
    archive.add(offset, { topics, text: 'x', isJson: false, at: 1 }, offset);
  }
  expect(archive.bytes).toBeLessThanOrEqual(1_000_000);
  const query = { epoch: '', after: 0, upTo: 20_000, maxEvents: 5, maxBytes: 1e9 };
  const { events, lost } = await archive.read({ ...query, topics: ['all'] });
  expect(events[0]?.offset).toBe(lost + 2);
  expect((await archive.read({ ...query, topics: ['few'] })).events[0]?.offset).toBe(19_999);
});

/** A time, in milliseconds, after which nobody remembers a topic by its name that had no event since. */
const LATER = 10_000_000;

function open(rule: Partial<TopicRetention>, maxBytes = 1e9): MemoryArchive {
  return (archive = new MemoryArchive(
    new RetentionRules([{ match: '**', ...rule }]),
    maxBytes,
    '',
  ));
}

function add(topic: string, offset: number, now = 0): void {
  archive.add(offset, { topics: [topic], text: 'x', isJson: false, at: 1_000 + offset }, now);
}

const EVERYTHING = { epoch: '', after: 0, upTo: 100_000, maxEvents: 100_000, maxBytes: 1e9 };
const rule = (pattern: string): TopicRule => ({ pattern, matches: () => false });

it('A topic that was emptied by age has lost its events also when it is forgotten', async () => {
  open({ keepFor: 10 });
  for (let offset = 1; offset <= 3; offset++) add('a.b.1', offset);
  archive.sweep(20);
  add('a.b.2', 4, LATER);
  archive.sweep(LATER);
  archive.sweep(LATER);
  expect(archive.topicCount).toBe(1);
  const lostOf = async (topics: ArchiveQuery['topics']) =>
    (await archive.read({ ...EVERYTHING, topics })).lost;
  expect(await lostOf(['a.b.1'])).toBe(3);
  for (const pattern of ['a.b.*', 'a.**', '**', 'a.b.1']) {
    expect([pattern, await lostOf(rule(pattern))]).toEqual([pattern, 3]);
  }
  for (const other of [['a.b.2'], ['a.b.3'], rule('b.**'), rule('a.c.*')]) {
    expect([other, await lostOf(other)]).toEqual([other, 0]);
  }
  add('a.b.1', 5, LATER);
  const { lost, events } = await archive.read({ ...EVERYTHING, topics: ['a.b.1'] });
  expect([lost, events.map(({ offset }) => offset)]).toEqual([3, [5]]);
  expect(await archive.seek({ topics: ['a.b.1'], epoch: '' }, { since: 1_004 })).toBe(3);
  expect(await archive.seek({ topics: ['a.b.1'], epoch: '' }, { since: 1_002 })).toBe(0);
});

it('Topics that nothing is kept of any longer go too, when there is no room', async () => {
  open({ keepFor: 10 }, 100_000);
  for (let offset = 1; offset <= 2_000; offset++) add(`job.${offset}`, offset, offset);
  for (let sweeps = 0; sweeps < 3; sweeps++) archive.sweep(2_000);
  expect(archive.bytes).toBeLessThanOrEqual(100_000);
  expect(archive.topicCount).toBeLessThan(100);
  const { lost } = await archive.read({ ...EVERYTHING, topics: ['job.7'] });
  expect(lost).toBeGreaterThanOrEqual(7);
});

it('A pattern of many topics is read in pages of the log, each event once and none left out', async () => {
  open({ keepEvents: 150 });
  for (let offset = 1; offset <= 30_000; offset++) {
    const topics = offset % 100 === 0 ? ['noise', `q.${offset % 700}`, 'q.all'] : ['noise'];
    archive.add(offset, { topics, text: 'x', isJson: false, at: 1 }, 0);
  }
  for (let user = 1; user <= 100; user++) add(`q.user-${user}`, 30_000 + user);
  const offsets: number[] = [];
  for (let after = 0; after < 40_000;) {
    const query = { ...EVERYTHING, after, upTo: 40_000, maxEvents: 7 };
    const page = await archive.read({ ...query, topics: rule('q.*') });
    expect(page.upTo).toBeGreaterThan(after);
    offsets.push(...page.events.map(({ offset }) => offset));
    after = page.upTo;
  }
  const hundreds = Array.from({ length: 300 }, (_, index) => (index + 1) * 100);
  const users = Array.from({ length: 100 }, (_, index) => 30_001 + index);
  expect(offsets).toEqual([...hundreds, ...users]);
});
