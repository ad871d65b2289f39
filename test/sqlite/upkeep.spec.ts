import { afterEach, describe, expect, it } from '@jest/globals';
import { statSync } from 'node:fs';
import Database from 'better-sqlite3';
import type { Durability } from 'nestjs-event-stream/sqlite';
import { openDatabase } from '../../src/sqlite/opening.js';
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
    const upkeep = new Upkeep(database, 'events.db');
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
    const history = { maxEvents: 1, maxBytes: 1, maxAge: false } as const;
    const options = { path: newPath(), durability, history, patience: 1, idempotencyWindow: 1 };
    const { database } = openDatabase(options, undefined, '[]');
    expect(numberOf(database, 'synchronous')).toBe(level);
    database.close();
  });
});
