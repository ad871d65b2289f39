import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import {
  createPublisher,
  type EventPublisher,
  type PublisherOptions,
} from 'nestjs-event-stream/publisher';
import { sqliteBackplane } from 'nestjs-event-stream/sqlite';
import { FORMAT } from '../../src/sqlite/schema.js';
import { Workspace } from '../docs/workspace.js';
import { until } from '../support/until.js';
import { temporaryPaths } from './support/folder.js';
import { type Instance, instances } from './support/instances.js';

const numbers = (count: number) => Array.from({ length: count }, (_, index) => `${index + 1}`);

describe('createPublisher() for a SQLite file', () => {
  const newPath = temporaryPaths();
  const open = instances();
  const publishers: EventPublisher[] = [];
  const connections: Database.Database[] = [];

  afterEach(async () => {
    jest.restoreAllMocks();
    for (const connection of connections.splice(0)) connection.close();
    await Promise.all(publishers.splice(0).map((publisher) => publisher.close()));
  });

  function begin(path: string, options: PublisherOptions = {}, publishTimeout = 10_000) {
    const publisher = createPublisher(sqliteBackplane({ path, publishTimeout }), options);
    publishers.push(publisher);
    return publisher;
  }

  function rowsOf(path: string, sql: string): unknown[][] {
    const connection = new Database(path);
    connections.push(connection);
    return connection
      .prepare(sql)
      .all()
      .map((row) => Object.values(row as object) as unknown[]);
  }

  const textsOf = ({ sink }: Instance) =>
    sink.calls.flatMap((call) => (call.kind === 'append' ? [call.record.text] : []));

  async function keptOf({ backplane, sink }: Instance, topic: string) {
    const bounds = { after: 0, upTo: 10_000, maxEvents: 10_000, maxBytes: 1e9 };
    const query = { topics: [topic], epoch: sink.epoch, ...bounds };
    const page = await backplane.archive?.read(query);
    return { lost: page?.lost, texts: page?.events.map(({ record }) => record.text) };
  }

  it('is seen by every instance, in one order with what they publish', async () => {
    const path = newPath();
    const [one, two] = [await open({ path }), await open({ path })];
    const publisher = begin(path);
    const first = await publisher.publish('a', { data: 'outside' });
    const second = await one.publish('inside');
    const third = await publisher.complete('a');
    expect([first, second, third]).toEqual(['1', '2', '3'].map((n) => `${one.sink.epoch}.${n}`));
    await until('both have them', () => [one, two].every(({ sink }) => sink.head === 3));
    for (const instance of [one, two])
      expect(textsOf(instance).slice(0, 2)).toEqual(['outside', 'inside']);
  });

  it('writes what is published in one turn in one transaction', async () => {
    const path = newPath();
    await open({ path });
    const publisher = begin(path);
    await Promise.all(numbers(2_000).map((data) => publisher.publish('a', { data })));
    expect(rowsOf(path, 'SELECT sum(count), count(DISTINCT at) FROM blocks')).toEqual([[2_000, 1]]);
  });

  it('keeps topics by the rules of the instances, also of one that has published nothing', async () => {
    const path = newPath();
    const topics = [
      { match: 'few.*', keepEvents: 2 },
      { match: 'price', keepLatestPerKey: true },
      { match: 'job' },
    ];
    const instance = await open({ path }, { maxEvents: 1, topics });
    // Its own rules are for a log that no instance has written to.
    const publisher = begin(path, { history: { topics: [{ match: 'other' }] } });
    for (const data of numbers(3)) {
      await publisher.publish(['few.1', 'job'], { data });
      await publisher.publish('price', { data, key: 'k' });
      await publisher.publish('other', { data });
    }
    await until('the tail is trimmed', () => {
      const [[first]] = rowsOf(path, 'SELECT first FROM log') as [[number]];
      return first > 1;
    });
    expect(await keptOf(instance, 'few.1')).toEqual({ lost: 1, texts: ['2', '3'] });
    expect(await keptOf(instance, 'job')).toEqual({ lost: 0, texts: numbers(3) });
    expect(await keptOf(instance, 'price')).toEqual({ lost: 0, texts: ['3'] });
    expect(await keptOf(instance, 'other')).toMatchObject({ texts: [] });
  });

  it('follows the rules when an instance starts with others', async () => {
    const path = newPath();
    await open({ path }, { maxEvents: 1, topics: [{ match: 'old' }] });
    const publisher = begin(path);
    await publisher.publish(['old', 'new'], { data: '1' });
    const next = await open({ path }, { maxEvents: 1, topics: [{ match: 'new' }] });
    await publisher.publish(['old', 'new'], { data: '2' });
    await publisher.publish('noise', { data: '3' });
    expect(await keptOf(next, 'new')).toEqual({ lost: 1, texts: ['2'] });
  });

  it('leaves to the instances how much is kept, and they see to it', async () => {
    const path = newPath();
    const history = { maxEvents: 100, topics: [{ match: 'job' }], archive: { maxBytes: 30_000 } };
    const instance = await open({ path }, history);
    const { backplane } = instance;
    const publisher = begin(path);
    await Promise.all(numbers(4_000).map((data) => publisher.publish('job', { data })));
    await until('there are as many as are allowed', async () => {
      const { events = Infinity } = (await backplane.archive?.size()) ?? {};
      return events <= 30_000 / 256;
    });
    expect(textsOf(instance).at(-1)).toBe('4000');
  });

  it('publishes once under one idempotency key, whoever publishes', async () => {
    const path = newPath();
    const instance = await open({ path });
    const options = { idempotencyKey: 'once' };
    const first = await instance.publish('x', options);
    expect(await begin(path).publish('t', { data: 'x' }, options)).toBe(first);
    expect(await begin(path).publish('t', { data: 'x' }, options)).toBe(first);
  });

  it('makes no file: it says that the application has to start first', async () => {
    const empty = newPath();
    writeFileSync(empty, '');
    // So many that their threads are late to begin.
    const paths = [empty, ...Array.from({ length: 7 }, newPath)];
    const publications = paths.map(async (path) => {
      await expect(begin(path, {}, 6_000).publish('a', { data: 1 })).rejects.toMatchObject({
        code: 'BACKPLANE_UNAVAILABLE',
        message: expect.stringMatching(/There is no log at '.*'.*start it once, or correct 'path'/),
      });
    });
    await Promise.all(publications);
    expect(paths.filter((path) => existsSync(path))).toEqual([empty]);
    expect(statSync(empty).size).toBe(0);
  });

  it('waits for the application to start', async () => {
    const path = newPath();
    const publication = begin(path).publish('a', { data: 'early' });
    const instance = await open({ path });
    await expect(publication).resolves.toBe(`${instance.sink.epoch}.1`);
    await until('it is there', () => textsOf(instance).includes('early'));
  });

  it('publishes to the file that there is now, when it was replaced', async () => {
    const path = newPath();
    const first = await open({ path });
    const publisher = begin(path);
    await publisher.publish('a', { data: 'old' });
    await first.backplane.close();
    for (const end of ['', '-wal', '-shm']) rmSync(`${path}${end}`, { force: true });
    const next = await open({ path });
    const cursor = await publisher.publish('a', { data: 'new' });
    expect(cursor).toBe(`${next.sink.epoch}.1`);
    expect(next.sink.epoch > first.sink.epoch).toBe(true);
  });

  it.each([
    ['of a later version', `PRAGMA user_version = ${FORMAT + 1}`, 'a later version'],
    ['of another program', 'PRAGMA application_id = 7', 'a database of another program'],
  ])('does not write to a file %s', async (_, sql, text) => {
    const path = newPath();
    const { backplane } = await open({ path });
    await backplane.close();
    const database = new Database(path);
    database.exec(sql);
    database.close();
    await expect(begin(path).publish('a', { data: 1 })).rejects.toMatchObject({
      code: 'BACKPLANE_UNAVAILABLE',
      message: expect.stringContaining(text),
    });
    expect(rowsOf(path, 'SELECT head FROM log')).toEqual([[0]]);
  });

  it('says why a new epoch begins, if it is the first to open a copy', async () => {
    const path = newPath();
    const { backplane, sink } = await open({ path });
    await backplane.close();
    const copy = newPath();
    const database = new Database(path);
    database.exec(`VACUUM INTO '${copy}'`);
    database.close();
    const warn = jest.spyOn(console, 'warn').mockImplementation(() => {});
    const cursor = await begin(copy).publish('a', { data: 1 });
    expect(cursor > sink.epoch).toBe(true);
    expect(cursor).not.toContain(sink.epoch);
    await until('it is said', () => warn.mock.calls.length > 0);
    expect(warn.mock.calls[0]?.[0]).toMatch(/is a copy, .* a new epoch begins/);
  });

  it('closes when what is on its way is there, and publishes nothing after that', async () => {
    const path = newPath();
    await open({ path });
    const publisher = begin(path);
    const all = numbers(5_000).map((data) => publisher.publish('a', { data }));
    await publisher.close();
    await publisher.close();
    expect(await Promise.all(all)).toHaveLength(5_000);
    const late = publisher.publish('a', { data: 1 });
    await expect(late).rejects.toMatchObject({ code: 'BACKPLANE_CLOSED' });
  });

  it('runs where neither Nest nor RxJS is installed, and lets the process end', async () => {
    const path = newPath();
    const instance = await open({ path });
    const workspace = new Workspace(join(import.meta.dirname, '../..'));
    for (const name of ['@nestjs', 'rxjs', 'reflect-metadata']) {
      rmSync(join(workspace.folder, 'node_modules', name));
    }
    workspace.add({
      file: 'script.ts',
      code: `
        import { createPublisher } from 'nestjs-event-stream/publisher';
        import { sqliteBackplane } from 'nestjs-event-stream/sqlite';
        const publisher = createPublisher(sqliteBackplane({ path: '${path}' }));
        const cursor = await publisher.publish('a', { data: 'from a script' });
        await publisher.close();
        console.log(cursor);
        process.disconnect();
      `,
    });
    const program = workspace.run('script.js');
    expect([await program.ended, program.output.trim()]).toEqual([0, `${instance.sink.epoch}.1`]);
    await until('it is there', () => textsOf(instance).includes('from a script'));
    await workspace.remove();
  });
});
