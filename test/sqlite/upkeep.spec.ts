import { afterEach, describe, expect, it } from '@jest/globals';
import { existsSync, readdirSync, realpathSync, statSync, symlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import type { Durability } from 'nestjs-event-stream/sqlite';
import { LogFile } from '../../src/sqlite/log-file.js';
import { openDatabase } from '../../src/sqlite/opening.js';
import type { ThreadOptions } from '../../src/sqlite/protocol.js';
import { numberOf } from '../../src/sqlite/schema.js';
import { Upkeep } from '../../src/sqlite/upkeep.js';
import { temporaryPaths } from './support/folder.js';
import { instances } from './support/instances.js';

const MIB = 2 ** 20;

describe('the files of a log', () => {
  const newPath = temporaryPaths();
  const open = instances();
  let reader: Database.Database | undefined;

  afterEach(() => {
    reader?.close();
  });

  it('are small again when a program that kept a transaction open has ended it', async () => {
    const path = newPath();
    const { publish } = await open({ path }, { maxEvents: 100 });
    const size = () => statSync(`${path}-wal`).size;
    const publishMany = async (count: number) => {
      for (let number = 0; number < count; number++) await publish('x'.repeat(500_000));
    };
    await publish('first');
    reader = new Database(path);
    reader.exec('BEGIN');
    reader.prepare('SELECT * FROM log').get();
    await publishMany(60);
    expect(size()).toBeGreaterThan(28 * MIB);
    reader.exec('COMMIT');
    await publishMany(40);
    expect(size()).toBeLessThan(20 * MIB);
  });

  it('are grown by somebody who never ends a transaction: that is said once', () => {
    let log = 1_000;
    const database = {
      exec: () => undefined,
      close: () => undefined,
      prepare: () => ({
        run: () => undefined,
        get: () => ({ busy: 0, log, checkpointed: 500 }),
        all: () => [],
      }),
    };
    const upkeep = new Upkeep(database, 'events.db-wal');
    const checkpoint = () => {
      upkeep.note(10 * MIB);
      return upkeep.checkpointIfDue();
    };
    expect(upkeep.checkpointIfDue()).toBeUndefined();
    expect(checkpoint()).toBeUndefined();
    log = 100_000;
    expect(checkpoint()).toMatch(/'events\.db-wal' has 391 MiB and goes on growing.*End it/);
    expect(checkpoint()).toBeUndefined();
    log = 1_000;
    expect(checkpoint()).toBeUndefined();
    log = 100_000;
    expect(checkpoint()).toMatch(/goes on growing/);
  });

  it.each<[Durability, number]>([
    ['process', 1],
    ['power', 2],
  ])("are synced by SQLite as '%s' needs: synchronous = %d", (durability, level) => {
    const { database } = openDatabase(optionsFor(newPath(), durability), undefined, '[]');
    expect(numberOf(database, 'synchronous')).toBe(level);
    database.close();
  });

  it.each(['leads to a file', 'leads to none yet'])(
    'lie beside the file, and are looked for there, where the path is a link that %s',
    (where) => {
      const path = newPath();
      const link = newPath();
      symlinkSync(path, link);
      if (where === 'leads to a file')
        openDatabase(optionsFor(path), undefined, '[]').database.close();
      const file = new LogFile(optionsFor(link), undefined);
      expect(file.walPath).toBe(`${realpathSync(path)}-wal`);
      expect(existsSync(file.walPath)).toBe(true);
      expect(file.isReplaced).toBe(false);
      file.close();
      expect(readdirSync(dirname(path))).toEqual(['events.db']);
      expect(readdirSync(dirname(link))).toEqual(['events.db']);
    },
  );
});

function optionsFor(path: string, durability: Durability = 'process'): ThreadOptions {
  const history = { maxEvents: 1, maxBytes: 1, maxAge: false } as const;
  return { path, durability, history, patience: 1, idempotencyWindow: 1 };
}
