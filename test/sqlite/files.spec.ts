import { afterEach, describe, expect, it } from '@jest/globals';
import { chmodSync, chownSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { sqliteBackplane, type SqliteBackplaneOptions } from 'nestjs-event-stream/sqlite';
import { temporaryPaths } from './support/folder.js';
import { instances } from './support/instances.js';

const NOBODY = 65_534;

describe('sqliteBackplane()', () => {
  it.each([
    [undefined, /takes an object with 'path'; received undefined/],
    [{}, /needs the path of a file as 'path'; received undefined/],
    [{ path: '' }, /needs the path of a file as 'path'; received ""/],
    [{ path: ':memory:' }, /not a name of SQLite's; received ":memory:".*default backplane/],
    [{ path: 'file:events.db' }, /not a name of SQLite's/],
    [{ path: 'a\0b' }, /needs the path of a file/],
    [
      { path: 'a', durability: 'ram' },
      /needs 'process' or 'power' as 'durability'; received "ram"/,
    ],
    [{ path: 'a', publishTimeout: 0 }, /needs a whole number from 1 .* as 'publishTimeout'/],
    [{ path: 'a', idempotencyWindow: 1.5 }, /as 'idempotencyWindow'; received 1.5/],
    [{ path: 'a', file: 'b' }, /does not know 'file'; it takes path, durability,/],
  ])('refuses %j', (options, message) => {
    const make = () => sqliteBackplane(options as SqliteBackplaneOptions);
    expect(make).toThrow(message);
    expect(make).toThrow(expect.objectContaining({ name: 'SseError', code: 'BAD_OPTION' }));
  });
});

describe('a file that cannot be the log', () => {
  const newPath = temporaryPaths();
  const open = instances();

  async function failure(path: string): Promise<string> {
    const options = { path, publishTimeout: 200 };
    const error: unknown = await open(options).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ name: 'SseError', code: 'BACKPLANE_UNAVAILABLE' });
    return String(error);
  }

  /** The error, after which the file has to be what it was, byte by byte. */
  async function failureThatChangesNothing(path: string): Promise<string> {
    const before = readFileSync(path);
    const text = await failure(path);
    expect(readFileSync(path).equals(before)).toBe(true);
    return text;
  }

  it('is a folder', async () => {
    const path = dirname(newPath());
    expect(await failure(path)).toMatch(/is a folder.*events\.db/);
  });

  it('is in a folder that is not there', async () => {
    const path = join(dirname(newPath()), 'missing', 'events.db');
    expect(await failure(path)).toMatch(/missing'.* does not exist\. Create it/);
  });

  it('is no SQLite file', async () => {
    const path = newPath();
    writeFileSync(path, 'Somebody needs this text. '.repeat(100));
    const text = await failureThatChangesNothing(path);
    expect(text).toMatch(/is damaged, or is no SQLite file.*move it away.*events\.db-wal/);
  });

  it("is another program's database, or one with another use of the numbers", async () => {
    const path = newPath();
    const database = new Database(path);
    database.exec('CREATE TABLE users (name TEXT)');
    database.close();
    expect(await failureThatChangesNothing(path)).toMatch(/database of another program.*Choose/);
    const other = newPath();
    const numbered = new Database(other);
    numbered.exec('PRAGMA user_version = 7; VACUUM');
    numbered.close();
    expect(await failureThatChangesNothing(other)).toMatch(/database of another program/);
  });

  it('was written by a later version', async () => {
    const path = newPath();
    await (await open({ path })).backplane.close();
    const database = new Database(path);
    database.exec('PRAGMA user_version = 3');
    database.close();
    const text = await failureThatChangesNothing(path);
    expect(text).toMatch(/later version.*its format is 3, and this one knows 2/);
  });

  it('was written before there was a release', async () => {
    const path = newPath();
    await (await open({ path })).backplane.close();
    const database = new Database(path);
    database.exec('DROP TABLE blocks; PRAGMA user_version = 1');
    database.close();
    const text = await failureThatChangesNothing(path);
    expect(text).toMatch(/before .* was released, in the format 1.*Move it away/);
  });

  it('is damaged in the middle', async () => {
    const path = newPath();
    const { publish, backplane } = await open({ path });
    await Promise.all(
      Array.from({ length: 500 }, (_, index) => publish(`event ${index} `.repeat(30))),
    );
    await backplane.close();
    const bytes = readFileSync(path);
    bytes.fill(0x5a, 4_096, bytes.length - 4_096);
    writeFileSync(path, bytes);
    expect(await failureThatChangesNothing(path)).toMatch(/is damaged.*Restore it from a backup/);
  });

  it('is held by another program', async () => {
    const path = newPath();
    await (await open({ path })).backplane.close();
    const holder = new Database(path);
    holder.exec('BEGIN IMMEDIATE');
    expect(await failure(path)).toMatch(/Another program holds .* locked\. End it/);
    holder.close();
    await open({ path });
  });

  describe('for a user who may not write', () => {
    const { geteuid, seteuid } = process;
    const isRoot = geteuid?.() === 0;

    afterEach(() => {
      if (isRoot) seteuid?.(0);
    });

    function becomeNobody(): void {
      if (isRoot) seteuid?.(NOBODY);
    }

    it('is read-only', async () => {
      const path = newPath();
      await (await open({ path })).backplane.close();
      chmodSync(path, 0o444);
      chmodSync(dirname(path), 0o777);
      becomeNobody();
      expect(await failureThatChangesNothing(path)).toMatch(
        /cannot be opened for writing.*permission/,
      );
    });

    it('is in a read-only folder', async () => {
      const folder = join(dirname(newPath()), 'read-only');
      chmodSync(dirname(folder), 0o755);
      await mkdir(folder);
      const path = join(folder, 'events.db');
      await (await open({ path })).backplane.close();
      if (isRoot) chownSync(path, NOBODY, NOBODY);
      chmodSync(folder, 0o555);
      becomeNobody();
      expect(await failureThatChangesNothing(path)).toMatch(/cannot be opened for writing.*folder/);
      expect(await failure(join(folder, 'new.db'))).toMatch(/cannot be opened for writing/);
    });
  });
});
