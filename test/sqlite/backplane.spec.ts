import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { statSync, symlinkSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { Logger } from '@nestjs/common';
import Database from 'better-sqlite3';
import { LogLines } from '../support/log-lines.js';
import { until } from '../support/until.js';
import { temporaryPaths } from './support/folder.js';
import { instances } from './support/instances.js';

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

describe('sqliteBackplane()', () => {
  const newPath = temporaryPaths();
  const open = instances();
  const connections: Database.Database[] = [];
  let logs: LogLines;

  beforeEach(() => {
    logs = new LogLines();
    Logger.overrideLogger(logs);
  });

  afterEach(() => {
    for (const connection of connections.splice(0)) connection.close();
    Logger.overrideLogger(false);
  });

  /** Another program with the file open. */
  function connect(path: string): Database.Database {
    const connection = new Database(path);
    connections.push(connection);
    return connection;
  }

  function rowOf(path: string, sql: string): unknown {
    return connect(path).prepare(sql).get();
  }

  it('gives records back as they were published, of any size, in their order', async () => {
    const path = newPath();
    const { backplane, sink } = await open({ path });
    const records = [
      { topics: ['a', 'b "c"'], type: 't', key: 'k', text: '{"a":1}', isJson: true },
      { topics: ['a'], type: undefined, key: undefined, text: '', isJson: false },
      { topics: ['ü\u0000'], type: 'ü', key: '', text: 'a\u0000b\r\n💡', isJson: false },
      { topics: ['nul'], type: 'a\u0000', key: '\u0000b', text: '"\u0000"', isJson: true },
      { topics: ['half'], type: 't', key: 'k', text: 'a \ud83d b', isJson: false },
      {
        ...{ topics: ['t'], type: undefined, key: undefined, text: 'to others', isJson: false },
        except: { connection: 'a', owner: 'o\n\u0000' },
        trace: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      },
      { topics: ['large'], type: 't', key: 'k', text: 'x'.repeat(3_000_000), isJson: false },
      ...numbers(1_500).map((number) => ({
        topics: [`topic ${number % 7}`],
        type: undefined,
        key: undefined,
        text: String(number),
        isJson: true,
      })),
    ];
    await Promise.all(records.map((record) => backplane.publish(record)));
    const other = await open({ path });
    const [here, there] = [sink, other.sink].map(({ calls }) =>
      calls.flatMap((call) => (call.kind === 'append' ? [call.record] : [])),
    );
    const dated = records.map((record) => ({ ...record, at: expect.any(Number) }));
    expect(here).toEqual(dated);
    expect(there).toEqual(here);
  });

  it('writes what is published in one turn of the event loop in one transaction', async () => {
    const path = newPath();
    const { publish } = await open({ path });
    await publish('a first one');
    const other = connect(path);
    const version = () => Number(other.pragma('data_version', { simple: true }));
    const seen = new Set([version()]);
    const publishing = Promise.all(numbers(300).map((number) => publish(`${number}`)));
    const counts = new Set<unknown>();
    while (!counts.has(301)) {
      seen.add(version());
      counts.add((other.prepare('SELECT head FROM log').get() as { head: number }).head);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await publishing;
    expect([...counts].filter((count) => count !== 1)).toEqual([301]);
    expect(seen.size).toBeLessThanOrEqual(2);
  });

  it('rejects when another program keeps the lock, and goes on when it lets go', async () => {
    const path = newPath();
    const { backplane, publish, sink } = await open({ path, publishTimeout: 100 });
    const holder = connect(path);
    holder.exec('BEGIN IMMEDIATE');
    const turns: number[] = [];
    let last = performance.now();
    const ticker = setInterval(() => {
      turns.push(performance.now() - last);
      last = performance.now();
    }, 1);
    const error = await publish('lost').catch((reason: unknown) => reason);
    clearInterval(ticker);
    expect(error).toMatchObject({ code: 'BACKPLANE_UNAVAILABLE' });
    expect(String(error)).toMatch(/Another program holds .* locked\. End it/);
    // The wait is the thread's: the event loop has had its turns.
    expect(turns.length).toBeGreaterThan(10);
    expect(backplane.health.isConnected).toBe(false);
    holder.exec('ROLLBACK');
    const cursor = await publish('kept');
    expect(cursor).toBe(`${sink.epoch}.1`);
    expect(backplane.health.isConnected).toBe(true);
    expect([...sink.held.values()]).toEqual(['kept']);
    expect(logs.lines.map(({ level }) => level)).toEqual(['warn', 'log']);
  });

  it('closes at once while another program keeps the lock', async () => {
    const path = newPath();
    const { backplane, publish } = await open({ path });
    connect(path).exec('BEGIN IMMEDIATE');
    const outcome = publish('lost').catch((error: unknown) => error);
    const start = performance.now();
    await backplane.close();
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(await outcome).toMatchObject({ name: 'SseError' });
  });

  it('keeps as much as the bounds say, and some hundred events more, and uses its pages again', async () => {
    const path = newPath();
    const history = { maxEvents: 1_000 };
    const { publish, sink } = await open({ path }, history);
    const text = 'x'.repeat(1_000);
    const sizes: number[] = [];
    for (let round = 0; round < 60; round++) {
      await Promise.all(numbers(500).map(() => publish(text)));
      sizes.push(statSync(path).size + statSync(`${path}-wal`).size);
    }
    const { count, bytes } = rowOf(
      path,
      'SELECT sum(count) AS count, (SELECT bytes FROM log) AS bytes FROM blocks',
    ) as { count: number; bytes: number };
    expect(count).toBeGreaterThanOrEqual(1_000);
    expect(count).toBeLessThan(1_500);
    expect(bytes).toBeGreaterThan(count * (1_000 + 256));
    expect(bytes).toBeLessThan(count * (1_000 + 256 + 50));
    // 30 MB were written; there is one checkpoint between two that are due.
    expect(Math.max(...sizes)).toBeLessThan(24 * 2 ** 20);
    expect((rowOf(path, 'SELECT head FROM log') as { head: number }).head).toBe(sink.head);
    const next = await open({ path }, history);
    expect(next.sink.calls[0]).toMatchObject({ kind: 'reset', offset: sink.head - 1_000 });
    expect(next.sink.held.size).toBe(1_000);
  });

  it('keeps no more bytes than the bound says, and nothing that is too old', async () => {
    const path = newPath();
    const large = await open({ path }, { maxBytes: 100_000 });
    for (const number of numbers(40)) await large.publish(`${number}`.padEnd(10_000));
    const { bytes } = rowOf(path, 'SELECT bytes FROM log') as { bytes: number };
    expect(bytes).toBeLessThan(120_000);
    await large.backplane.close();
    connect(path).exec('UPDATE blocks SET at = at - 60_000');
    await open({ path }, { maxAge: 30_000 });
    await until('what is too old is gone', () => {
      const { count } = rowOf(path, 'SELECT count(*) AS count FROM blocks') as { count: number };
      return count === 0;
    });
    expect(rowOf(path, 'SELECT head FROM log')).toEqual({ head: 40 });
  });

  it('gives the space of what is gone back to the disk, step by step', async () => {
    const path = newPath();
    const first = await open({ path });
    await Promise.all(numbers(8_000).map(() => first.publish('x'.repeat(1_000))));
    await first.backplane.close();
    const before = statSync(path).size;
    const { backplane } = await open({ path }, { maxEvents: 10 });
    await until('the file is smaller', () => statSync(path).size < before / 2, 15_000);
    await backplane.close();
  });

  it('remembers idempotency keys over a restart, for as long as they are to be', async () => {
    const path = newPath();
    const options = { path, idempotencyWindow: 60_000 };
    const first = await open(options);
    const cursor = await first.publish('once', { idempotencyKey: 'a' });
    await first.backplane.close();
    const { backplane, publish, sink } = await open(options);
    expect(await publish('twice', { idempotencyKey: 'a' })).toBe(cursor);
    expect(sink.head).toBe(1);
    connect(path).exec('UPDATE once SET at = at - 60_000');
    expect(await publish('again', { idempotencyKey: 'a' })).toBe(`${sink.epoch}.2`);
    connect(path).exec('UPDATE once SET at = at - 60_000');
    await until('it is forgotten', () => {
      const { count } = rowOf(path, 'SELECT count(*) AS count FROM once') as { count: number };
      return count === 0;
    });
    await backplane.close();
  });

  it('remembers an idempotency key no longer than that after the clock was ahead', async () => {
    const path = newPath();
    const { publish, sink } = await open({ path, idempotencyWindow: 300 });
    await publish('first');
    connect(path)
      .prepare('UPDATE log SET at = ?')
      .run(Date.now() + 86_400_000);
    await publish('once', { idempotencyKey: 'a' });
    await until('it is forgotten', () => {
      const { count } = rowOf(path, 'SELECT count(*) AS count FROM once') as { count: number };
      return count === 0;
    });
    expect(await publish('again', { idempotencyKey: 'a' })).toBe(`${sink.epoch}.3`);
  });

  it('remembers an idempotency key for as long as it is to be, after the clock was set back', async () => {
    const path = newPath();
    const { publish, sink } = await open({ path, idempotencyWindow: 60_000 });
    const cursor = await publish('once', { idempotencyKey: 'a' });
    const isKnown = async () => (await publish('again', { idempotencyKey: 'a' })) === cursor;
    connect(path).exec('UPDATE once SET at = at + 86_400_000');
    expect(await isKnown()).toBe(true);
    await until('its time is that of the clock', () => {
      const { at } = rowOf(path, 'SELECT at FROM once') as { at: number };
      return at <= Date.now();
    });
    expect(await isKnown()).toBe(true);
    connect(path).exec('UPDATE once SET at = at - 60_000');
    expect(await isKnown()).toBe(false);
    expect(sink.head).toBe(2);
  });

  it('knows which events of a turn were published before, and where the others are', async () => {
    const path = newPath();
    const { publish, sink } = await open({ path });
    await publish('first', { idempotencyKey: 'a' });
    const keys = [undefined, 'a', undefined, 'b', 'b', undefined];
    const cursors = await Promise.all(
      keys.map((key, index) =>
        publish(`${index}`, key === undefined ? {} : { idempotencyKey: key }),
      ),
    );
    expect(cursors.map((cursor) => Number(cursor.split('.')[1]))).toEqual([2, 1, 3, 4, 4, 5]);
    const { sink: other } = await open({ path });
    expect([...other.held.values()]).toEqual(['first', '0', '2', '3', '5']);
    await sink.until('it has them', () => sink.head === 5);
    expect([...sink.held]).toEqual([...other.held]);
  });

  it('begins in the middle of what was published in one turn, as its bounds say', async () => {
    const path = newPath();
    const { publish } = await open({ path });
    await Promise.all(numbers(100).map((number) => publish(`${number}`)));
    const { sink } = await open({ path }, { maxEvents: 30 });
    expect([...sink.held.values()]).toEqual(numbers(100).slice(70).map(String));
    expect(sink.calls[0]).toMatchObject({ kind: 'reset', offset: 70 });
  });

  it('tells the sink what was trimmed before this instance had read it', async () => {
    const path = newPath();
    const { sink, publish } = await open({ path });
    await publish('one');
    connect(path).exec(
      'BEGIN; INSERT INTO blocks SELECT 9, count, at, bytes, text FROM blocks; ' +
        'UPDATE log SET head = 9, first = 9; COMMIT',
    );
    await sink.until('the last event has come', () => sink.head === 9);
    expect(sink.calls.map(({ kind, offset }) => `${kind} ${offset}`)).toEqual([
      'reset 0',
      'append 1',
      'lose 8',
      'append 9',
    ]);
  });

  it('has one order with who has the file by a link', async () => {
    const path = newPath();
    const link = newPath();
    const one = await open({ path });
    symlinkSync(path, link);
    const other = await open({ path: link });
    for (const text of ['one', 'three']) {
      await one.publish(text);
      await other.publish(`not ${text}`);
    }
    for (const { sink } of [one, other]) {
      await sink.until('everything has come', () => sink.head === 4);
      expect([...sink.held.values()]).toEqual(['one', 'not one', 'three', 'not three']);
    }
    expect(other.sink.epoch).toBe(one.sink.epoch);
  });

  it('catches up however much is published meanwhile', async () => {
    const { backplane, publish, sink } = await open({ path: newPath() });
    await publish('first');
    let hasCaughtUp = false;
    const catchingUp = backplane.catchUp().then(() => (hasCaughtUp = true));
    const publishing = numbers(2).map(async () => {
      for (let count = 0; count < 5_000 && !hasCaughtUp; count++) await publish(`${count}`);
    });
    await Promise.all([catchingUp, ...publishing]);
    expect(sink.head).toBeLessThan(5_000);
  });

  it('goes on with another thread when its own has ended', async () => {
    const path = newPath();
    const posts = jest.spyOn(Worker.prototype, 'postMessage');
    const { backplane, publish, sink } = await open({ path });
    const [worker] = posts.mock.contexts as Worker[];
    posts.mockRestore();
    await publish('one');
    const other = await open({ path });
    await worker?.terminate();
    await until('it is noticed', () => logs.lines.length > 0);
    await other.publish('two');
    await sink.until('it has come', () => sink.head === 2);
    await until('it is connected', () => backplane.health.isConnected);
    expect(await publish('three')).toBe(`${sink.epoch}.3`);
    expect([...sink.held.values()]).toEqual(['one', 'two', 'three']);
    expect(logs.lines.map(({ level }) => level)).toEqual(['warn', 'log']);
  });

  it('is for one application', async () => {
    const { backplane, sink } = await open({ path: newPath() });
    const history = { maxEvents: 1, maxBytes: 1, maxAge: false } as const;
    await expect(backplane.open(sink, history)).rejects.toMatchObject({
      code: 'BACKPLANE_BROKEN',
    });
  });
});
