import { describe, expect, it } from '@jest/globals';
import { publishingProcesses } from './support/child.js';
import { temporaryPaths } from './support/folder.js';
import { instances } from './support/instances.js';

const ROUNDS = 3;

describe('processes that share a file', () => {
  const newPath = temporaryPaths();
  const open = instances();
  const startPublishing = publishingProcesses();

  it('have one order: each of them sees what all of them publish, once', async () => {
    const path = newPath();
    const { sink } = await open({ path });
    const processes = ['a', 'b'].map((name) => startPublishing(name, { path }));
    await Promise.all(processes.map((each) => each.hasPublished(500)));
    await Promise.all(processes.map((each) => each.kill()));
    const acknowledged = processes.flatMap((each) => each.acknowledged);
    const cursors = new Map(acknowledged.map(({ text, cursor }) => [cursor, text]));
    expect(cursors.size).toBe(acknowledged.length);
    const last = Math.max(...[...cursors.keys()].map((cursor) => Number(cursor.split('.')[1])));
    await sink.until('everything has come', () => sink.head >= last);
    expect(sink.calls.filter(({ kind }) => kind !== 'append')).toHaveLength(1);
    for (const [cursor, text] of cursors) {
      const [epoch, offset] = cursor.split('.');
      expect([epoch, sink.held.get(Number(offset))]).toEqual([sink.epoch, text]);
    }
  }, 60_000);

  it.each(['process', 'power'] as const)(
    "lose nothing that was acknowledged, and no epoch, when they are killed in the middle of it: '%s'",
    async (durability) => {
      const path = newPath();
      const acknowledged = new Map<string, string>();
      let other = startPublishing('other', { path, durability });
      await other.hasPublished(10);
      for (let round = 0; round < ROUNDS; round++) {
        const publishing = startPublishing(`round${round}`, { path, durability });
        await publishing.hasPublished(50 + Math.round(Math.random() * 100));
        await publishing.kill();
        if (round === 1) {
          // Nobody has the file open for a moment.
          await other.kill();
          for (const { text, cursor } of other.acknowledged) acknowledged.set(cursor, text);
          other = startPublishing('another', { path, durability });
          await other.hasPublished(10);
        }
        for (const { text, cursor } of publishing.acknowledged) acknowledged.set(cursor, text);
      }
      await other.kill();
      for (const { text, cursor } of other.acknowledged) acknowledged.set(cursor, text);
      const { sink } = await open({ path, durability });
      expect(acknowledged.size).toBeGreaterThan(ROUNDS * 50);
      const missing = [...acknowledged].filter(
        ([cursor, text]) =>
          cursor !== `${sink.epoch}.${cursor.split('.')[1]}` ||
          sink.held.get(Number(cursor.split('.')[1])) !== text,
      );
      expect(missing).toEqual([]);
      expect(sink.calls.map(({ kind }) => kind).filter((kind) => kind !== 'append')).toEqual([
        'reset',
      ]);
    },
    120_000,
  );
});
