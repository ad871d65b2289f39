import { afterEach, expect, it } from '@jest/globals';
import { MemoryArchive } from '../../src/backplane/memory-archive.js';
import { RetentionRules } from '../../src/log/retention.js';

let archive: MemoryArchive;

afterEach(() => archive.close());

it.each([
  ['keepEvents', { match: 'a', keepEvents: 2 }],
  ['keepLatestPerKey', { match: 'a', keepLatestPerKey: true }],
  ['keepFor', { match: 'a', keepFor: 10 }],
])('Nothing is left in memory of what %s has dropped', (_, rule) => {
  archive = new MemoryArchive(new RetentionRules([rule]), 1e9);
  for (let offset = 1; offset <= 20_000; offset++) {
    archive.add(offset, { topics: ['a'], key: 'k', text: 'x', isJson: false, at: 1 }, offset);
  }
  expect(archive.placeCount).toBeLessThan(2_000);
});

it('What is kept is dropped in the order of the log when there is no room, also after that', async () => {
  const rules = new RetentionRules([{ match: 'few', keepEvents: 1 }, { match: 'all' }]);
  archive = new MemoryArchive(rules, 1_000_000);
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
