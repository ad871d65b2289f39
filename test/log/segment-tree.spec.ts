import { describe, expect, it } from '@jest/globals';
import { TopicMatcher } from '../../src/log/matching.js';
import { SegmentTree } from '../../src/log/segment-tree.js';

const SEGMENTS = ['a', 'b', '', '*', '**'];

/** All names of up to three segments, but for the empty one. */
const TOPICS = namesOf(SEGMENTS).filter((name) => name !== '');
const PATTERNS = namesOf(['a', 'b', '*', '**']).filter((name) => !name.includes('**.'));

function namesOf(segments: readonly string[]): string[] {
  const two = segments.flatMap((one) => segments.map((other) => `${one}.${other}`));
  return [...segments, ...two, ...two.flatMap((name) => segments.map((last) => `${name}.${last}`))];
}

function treeOf(names: readonly string[]): SegmentTree<string> {
  const tree = new SegmentTree<string>();
  for (const name of names) tree.set(name, name);
  return tree;
}

describe('A tree by segments', () => {
  it('of topics gives those that a matcher selects', () => {
    const tree = treeOf(TOPICS);
    for (const pattern of PATTERNS) {
      const matcher = new TopicMatcher(pattern);
      const selected = TOPICS.filter((topic) => matcher.matches(topic));
      expect([pattern, ...tree.selectedBy(pattern).sort()]).toEqual([pattern, ...selected.sort()]);
    }
  });

  it('of patterns gives those that select a topic', () => {
    const tree = treeOf(PATTERNS);
    for (const topic of TOPICS) {
      const selecting = PATTERNS.filter((pattern) => new TopicMatcher(pattern).matches(topic));
      expect([topic, ...tree.selecting(topic).sort()]).toEqual([topic, ...selecting.sort()]);
    }
  });

  it('forgets a name, and no other', () => {
    const tree = treeOf(TOPICS);
    const kept = TOPICS.filter((_, index) => index % 3 === 0);
    for (const topic of TOPICS) if (!kept.includes(topic)) tree.delete(topic);
    tree.delete('a.never.there');
    expect(tree.selectedBy('**').sort()).toEqual(kept.filter((topic) => topic !== '').sort());
    for (const topic of kept) tree.delete(topic);
    expect(tree).toEqual(new SegmentTree());
  });

  it('takes a hundred thousand topics, and one of a hundred thousand segments', () => {
    const tree = new SegmentTree<number>();
    for (let count = 0; count < 150_000; count++) tree.set(`user.${count}`, count);
    tree.set('user' + '.x'.repeat(150_000), -1);
    expect(tree.selectedBy('user.**').length).toBe(150_001);
    expect(tree.selectedBy('user.*').length).toBe(150_000);
  });
});
