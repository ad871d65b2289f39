import { describe, expect, it } from '@jest/globals';
import { rm } from 'node:fs/promises';
import Database from 'better-sqlite3';
import type { History } from 'nestjs-event-stream';
import { until } from '../support/until.js';
import { temporaryPaths } from './support/folder.js';
import { type Instance, instances } from './support/instances.js';

const TAIL = { maxEvents: 5 };
const KEPT: Partial<History> = { ...TAIL, topics: [{ match: 't' }] };

describe('what a SQLite file keeps beyond the tail', () => {
  const newPath = temporaryPaths();
  const open = instances();

  async function publish({ publish: add }: Instance, count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, (_, number) => add(`${number}`)));
  }

  async function read({ backplane, sink }: Instance, topics = ['t'], epoch = sink.epoch) {
    const bounds = { after: 0, upTo: 10_000, maxEvents: 10_000, maxBytes: 1_000_000 };
    const page = await backplane.archive?.read({ topics, epoch, ...bounds });
    return { lost: page?.lost, offsets: page?.events.map(({ offset }) => offset) };
  }

  function countOf(path: string, table: string): number {
    const database = new Database(path);
    try {
      const row = database.prepare(`SELECT count(*) AS count FROM ${table}`).get();
      return (row as { count: number }).count;
    } finally {
      database.close();
    }
  }

  it('does not hide what was published before there was a rule', async () => {
    const path = newPath();
    const before = await open({ path }, TAIL);
    await publish(before, 20);
    await before.backplane.close();
    const after = await open({ path }, KEPT);
    expect(await read(after)).toEqual({ lost: 20, offsets: [] });
    await publish(after, 3);
    expect(await read(after)).toEqual({ lost: 20, offsets: [21, 22, 23] });
    const { sink, backplane } = after;
    const all = { topics: { pattern: '*', matches: () => true }, epoch: sink.epoch };
    const bounds = { after: 0, upTo: 23, maxEvents: 10, maxBytes: 1_000_000 };
    expect(await backplane.archive?.read({ ...all, ...bounds })).toMatchObject({ lost: 20 });
    await backplane.close();
    expect(await read(await open({ path }, KEPT))).toEqual({ lost: 20, offsets: [21, 22, 23] });
  });

  it('does not hide what a process without the rule has published meanwhile', async () => {
    const path = newPath();
    const [one, other] = [await open({ path }, KEPT), await open({ path }, TAIL)];
    await publish(one, 3);
    expect((await read(one)).lost).toBe(0);
    await publish(other, 2);
    await publish(one, 1);
    expect(await read(one)).toEqual({ lost: 5, offsets: [1, 2, 3, 6] });
  });

  it('is gone, and told to be, in an epoch that the file is not in', async () => {
    const path = newPath();
    const first = await open({ path }, KEPT);
    await publish(first, 20);
    const { epoch } = first.sink;
    await first.backplane.close();
    for (const file of [`${path}-wal`, `${path}-shm`, path]) await rm(file, { force: true });
    const second = await open({ path }, KEPT);
    expect(await read(second, ['t'], epoch)).toEqual({ lost: 10_000, offsets: [] });
  });

  it('is there under its offsets when the log goes on in another epoch', async () => {
    const path = newPath();
    const first = await open({ path }, KEPT);
    await publish(first, 20);
    await first.backplane.close();
    const database = new Database(path);
    database.prepare("UPDATE log SET file = 'another one'").run();
    database.close();
    const second = await open({ path }, KEPT);
    expect(second.sink.epoch > first.sink.epoch).toBe(true);
    const { lost, offsets } = await read(second);
    expect([lost, offsets?.length, offsets?.[0]]).toEqual([0, 20, 1]);
  });

  it('is not passed over by who begins at a time, though the clock has been set back since', async () => {
    const path = newPath();
    const first = await open({ path }, KEPT);
    await first.backplane.publish({ topics: ['t', 'u'], text: 'ahead', isJson: false });
    await first.backplane.close();
    const database = new Database(path);
    for (const table of ['log', 'blocks', 'archived', 'kept']) {
      database.exec(`UPDATE ${table} SET at = at + 3600000`);
    }
    const { at: since } = database.prepare('SELECT at FROM kept').get() as { at: number };
    database.close();
    const topics = [{ match: 't' }, { match: 'u' }];
    const second = await open({ path }, { ...TAIL, topics });
    await publish(second, 3);
    const live = second.sink.calls.flatMap((call) =>
      call.kind === 'append' ? [call.record.at] : [],
    );
    expect(live).toEqual([since, since, since, since]);
    const seek = (topic: string) =>
      second.backplane.archive?.seek({ topics: [topic], epoch: second.sink.epoch }, { since });
    expect(await seek('t')).toBe(0);
    // What was published before there was a rule may be of that time, too.
    expect(await seek('u')).toBe(0);
  });

  it('leaves the file with the last topic that keeps it', async () => {
    const path = newPath();
    const topics = [{ match: 't', keepEvents: 100 }];
    const instance = await open({ path }, { ...TAIL, topics });
    await publish(instance, 3_000);
    await until('the tail is trimmed', () => countOf(path, 'archived') === 100);
    expect(countOf(path, 'kept')).toBe(100);
  });

  it('leaves the file by its age while nobody publishes', async () => {
    const path = newPath();
    const topics = [{ match: 't', keepFor: 50 }];
    const instance = await open({ path }, { ...TAIL, topics });
    await publish(instance, 300);
    await until('nothing is kept', () => countOf(path, 'kept') === 0);
    expect(await read(instance)).toEqual({ lost: 300, offsets: [] });
  });

  it('is told to be lost of a topic that was emptied so long ago that it is forgotten', async () => {
    const path = newPath();
    const topics = [{ match: '*', keepFor: 50 }];
    const first = await open({ path }, { ...TAIL, topics });
    await publish(first, 3);
    await until('nothing is kept', () => countOf(path, 'kept') === 0);
    await first.backplane.close();
    const database = new Database(path);
    database.prepare('UPDATE topics SET due = 1').run();
    database.close();
    const second = await open({ path }, { ...TAIL, topics: [{ match: '*' }] });
    await until('the topic is forgotten', () => countOf(path, 'topics') === 0);
    const all = { topics: { pattern: '*', matches: () => true }, epoch: second.sink.epoch };
    const bounds = { after: 0, upTo: 9, maxEvents: 10, maxBytes: 1_000_000 };
    const { archive } = second.backplane;
    expect(await read(second)).toEqual({ lost: 3, offsets: [] });
    expect(await read(second, ['another'])).toEqual({ lost: 0, offsets: [] });
    expect(await archive?.read({ ...all, ...bounds })).toMatchObject({ lost: 3 });
    await publish(second, 1);
    expect(await read(second)).toEqual({ lost: 3, offsets: [4] });
    const since = Date.now() - 86_400_000;
    expect(await archive?.seek({ topics: ['t'], epoch: second.sink.epoch }, { since })).toBe(0);
  });

  it('cannot be read when it is closed', async () => {
    const instance = await open({ path: newPath() }, KEPT);
    const { archive } = instance.backplane;
    await instance.backplane.close();
    const asked = archive?.latest({ topics: ['t'], epoch: instance.sink.epoch }, 1);
    await expect(asked).rejects.toMatchObject({ name: 'SseError', code: 'BACKPLANE_CLOSED' });
  });
});
