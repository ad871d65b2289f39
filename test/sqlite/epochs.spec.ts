import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { statSync } from 'node:fs';
import { chmod, copyFile, rename, rm, symlink, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Logger } from '@nestjs/common';
import Database from 'better-sqlite3';
import type { Durability } from 'nestjs-event-stream/sqlite';
import { LogLines } from '../support/log-lines.js';
import { temporaryPaths } from './support/folder.js';
import { instances } from './support/instances.js';

describe('the epoch of a file', () => {
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

  /** As if the machine had been switched off and on again while the file was open. */
  function switchOffAndOn(path: string): void {
    const connection = new Database(path);
    connection.prepare("UPDATE log SET boot = 'an earlier one'").run();
    connections.push(connection);
  }

  /** A file with one event that nobody has open, and who had it. */
  async function closed() {
    const path = newPath();
    const first = await open({ path });
    await first.publish('one');
    await first.backplane.close();
    return { path, first };
  }

  it('goes on, with its events, when nobody has it open for a while', async () => {
    const { path, first } = await closed();
    const { sink, publish } = await open({ path });
    expect(sink.epoch).toBe(first.sink.epoch);
    expect([...sink.held]).toEqual([[1, 'one']]);
    expect(await publish('two')).toBe(`${sink.epoch}.2`);
  });

  it('goes on when somebody has changed the permissions and the times of the file', async () => {
    const { path, first } = await closed();
    await chmod(path, 0o600);
    await utimes(path, new Date(), new Date());
    const { sink } = await open({ path });
    expect(sink.epoch).toBe(first.sink.epoch);
  });

  it('goes on over a reboot if everybody had closed it', async () => {
    const { path, first } = await closed();
    const connection = new Database(path);
    connection.prepare("UPDATE log SET boot = 'an earlier one'").run();
    connection.close();
    const { sink } = await open({ path });
    expect(sink.epoch).toBe(first.sink.epoch);
  });

  it.each<[Durability, boolean]>([
    ['process', false],
    ['power', true],
  ])(
    "after a power failure: with '%s' it goes on: %s; the events that are left are kept",
    async (durability, goesOn) => {
      const path = newPath();
      const first = await open({ path, durability });
      await first.publish('one');
      switchOffAndOn(path);
      await first.backplane.close();
      const { sink, publish } = await open({ path, durability });
      expect(sink.epoch === first.sink.epoch).toBe(goesOn);
      expect(sink.epoch >= first.sink.epoch).toBe(true);
      expect([...sink.held]).toEqual([[1, 'one']]);
      expect(await publish('two')).toBe(`${sink.epoch}.2`);
      const warnings = logs.lines.filter(({ text }) => text.includes('a new epoch begins'));
      expect(warnings).toHaveLength(goesOn ? 0 : 1);
    },
  );

  it('is another one after a power failure, also where the path is a link, or leads through one', async () => {
    const path = newPath();
    await (await open({ path })).backplane.close();
    const link = newPath();
    await symlink(path, link);
    const folder = newPath('folder');
    await symlink(dirname(path), folder);
    for (const name of [link, join(folder, 'events.db')]) {
      const first = await open({ path: name });
      await first.publish('one');
      switchOffAndOn(path);
      await first.backplane.close();
      const { sink, backplane } = await open({ path: name });
      expect(sink.epoch > first.sink.epoch).toBe(true);
      await backplane.close();
      for (const connection of connections.splice(0)) connection.close();
    }
  });

  it("ends with a power failure as long as what 'process' wrote was never closed", async () => {
    const path = newPath();
    const first = await open({ path, durability: 'process' });
    await first.publish('not synced');
    const second = await open({ path, durability: 'power' });
    await second.publish('synced');
    switchOffAndOn(path);
    await Promise.all([first.backplane.close(), second.backplane.close()]);
    const { sink } = await open({ path, durability: 'power' });
    expect(sink.epoch > first.sink.epoch).toBe(true);
  });

  it('is another one in a copy, which may lack what clients were told', async () => {
    const { path, first } = await closed();
    const copy = newPath();
    await copyFile(path, copy);
    const { sink } = await open({ path: copy });
    expect(sink.epoch > first.sink.epoch).toBe(true);
    expect([...sink.held]).toEqual([[1, 'one']]);
    expect(logs.lines.map(({ text }) => text).join()).toMatch(/is a copy.*a new epoch begins/);
  });

  it("is another one in a file that was taken out of the mode 'wal', as a copy may be told to be one", async () => {
    const path = newPath();
    const first = await open({ path });
    await first.backplane.close();
    const connection = new Database(path);
    connection.pragma('journal_mode = DELETE');
    connection.close();
    const { sink, backplane } = await open({ path });
    expect(sink.epoch > first.sink.epoch).toBe(true);
    await backplane.close();
    const { sink: next } = await open({ path });
    expect(next.epoch).toBe(sink.epoch);
  });

  it('is another one, and the same for everybody, where several open a backup at once', async () => {
    const { path, first } = await closed();
    const backup = newPath();
    const connection = new Database(path);
    connection.exec(`VACUUM INTO '${backup}'`);
    connection.close();
    await copyFile(backup, path);
    const opened = await Promise.all([1, 2, 3].map(() => open({ path })));
    const [epoch, ...others] = opened.map(({ sink }) => sink.epoch);
    expect(epoch).not.toBe(first.sink.epoch);
    expect(others).toEqual([epoch, epoch]);
    expect(logs.lines.filter(({ text }) => text.includes('a new epoch begins'))).toHaveLength(1);
  });

  it('is another one in a copy that lies where the file was, also on its inode', async () => {
    const { path, first } = await closed();
    const copy = newPath();
    await copyFile(path, copy);
    await rm(path);
    await copyFile(copy, path);
    const { sink } = await open({ path });
    expect(sink.epoch > first.sink.epoch).toBe(true);
  });

  it('goes on in a file that was closed before the time of its birth was known', async () => {
    const path = newPath();
    const first = await open({ path });
    await first.backplane.close();
    const connection = new Database(path);
    connection.prepare('UPDATE log SET file = ?').run(String(statSync(path).ino));
    connection.close();
    const { sink } = await open({ path });
    expect(sink.epoch).toBe(first.sink.epoch);
  });

  it('is another one when the file is replaced by an older one under a running instance', async () => {
    const { path, first } = await closed();
    const backup = newPath();
    await copyFile(path, backup);
    const { sink, publish } = await open({ path });
    await publish('two');
    for (const file of [`${path}-wal`, `${path}-shm`]) await rm(file);
    await rename(backup, path);
    await sink.until('another epoch begins', () => sink.epoch > first.sink.epoch);
    expect(await publish('three')).toBe(`${sink.epoch}.2`);
    await sink.until('it has come', () => sink.held.get(2) === 'three');
    expect([...sink.held]).toEqual([
      [1, 'one'],
      [2, 'three'],
    ]);
  });

  it('is another one when a link is switched to an older file under a running instance', async () => {
    const { path, first } = await closed();
    const older = newPath();
    await copyFile(path, older);
    const link = newPath();
    await symlink(path, link);
    const { sink, publish } = await open({ path: link });
    await publish('two');
    const next = `${link} next`;
    await symlink(older, next);
    await rename(next, link);
    await sink.until('another epoch begins', () => sink.epoch > first.sink.epoch);
    expect(await publish('three')).toBe(`${sink.epoch}.2`);
  });

  it('is another one when events were taken out of the file', async () => {
    const path = newPath();
    const { sink, publish } = await open({ path });
    const { epoch } = sink;
    await publish('one');
    await publish('two');
    const connection = new Database(path);
    connections.push(connection);
    connection.exec('BEGIN; DELETE FROM blocks WHERE last = 2; UPDATE log SET head = 1; COMMIT');
    await sink.until('another epoch begins', () => sink.epoch > epoch);
    expect(await publish('another two')).toBe(`${sink.epoch}.2`);
  });

  it('is greater than the one before, also when the clock was set back', async () => {
    const path = newPath();
    await (await open({ path })).backplane.close();
    const connection = new Database(path);
    connection.prepare("UPDATE log SET epoch = 'fffffffff0012345', file = 'another'").run();
    connection.close();
    const { sink } = await open({ path });
    expect(sink.epoch).toMatch(/^fffffffff01[0-9a-f]{5}$/);
  });
});
