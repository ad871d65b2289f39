import { describe, expect, it } from '@jest/globals';
import { copyFileSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import Database from 'better-sqlite3';
import { LogFile } from '../../src/sqlite/log-file.js';
import type { ThreadOptions } from '../../src/sqlite/protocol.js';
import { eventsOf } from '../../src/sqlite/blocks.js';
import { temporaryPaths } from './support/folder.js';
import { instances } from './support/instances.js';

/** Bytes between two cuts in the middle of a page; `CUT_STEP=1` tries every byte, which takes minutes. */
const STEP = Number(process.env['CUT_STEP'] ?? 512);
/** Bytes of one page in the write-ahead log: the page, and a header. */
const FRAME = 4_096 + 24;

describe("a file of 'power' that the plug has cut", () => {
  const newPath = temporaryPaths();
  const open = instances();

  function optionsOf(path: string): ThreadOptions {
    const history = { maxEvents: 1_000, maxBytes: 10_000_000, maxAge: false } as const;
    return { path, durability: 'power', history, patience: 1_000, idempotencyWindow: 1_000 };
  }

  /** The data of all events, read as an instance does that opens the file. */
  function eventsIn(path: string): string[] {
    const file = new LogFile(optionsOf(path), undefined);
    const { values, head } = file.read(0);
    file.close();
    const texts = eventsOf(values).map(({ record }) => record.text);
    expect(head).toBe(texts.length);
    return texts;
  }

  it(
    'opens, wherever it was cut, to a prefix of what was published, with all that was acknowledged',
    async () => {
      const path = newPath();
      const { publish } = await open({ path, durability: 'power' });
      const published: string[] = [];
      /** Bytes of the write-ahead log when each event was acknowledged. */
      const sizes: number[] = [];
      for (let number = 1; number <= 6; number++) {
        published.push(`event ${number}`);
        await publish(`event ${number}`);
        sizes.push(readFileSync(`${path}-wal`).length);
      }
      const copy = newPath();
      const end = sizes.at(-1) ?? 0;
      const begin = Math.max((sizes.at(-4) ?? 0) - FRAME, 0);
      const wal = newPath('wal');
      copyFileSync(`${path}-wal`, wal);
      // Every byte of a frame's header, and near where frames meet.
      const cuts = Array.from({ length: end - begin + 1 }, (_, index) => begin + index).filter(
        (size) => {
          const place = (size - 32) % FRAME;
          return place < 28 || place > FRAME - 8 || place % STEP === 0;
        },
      );
      expect(cuts.length).toBeGreaterThan(200);
      for (const size of cuts) {
        copyFileSync(path, copy);
        rmSync(`${copy}-shm`, { force: true });
        copyFileSync(wal, `${copy}-wal`);
        truncateSync(`${copy}-wal`, size);
        const events = eventsIn(copy);
        const acknowledged = sizes.filter((each) => each <= size).length;
        expect(events).toEqual(published.slice(0, events.length));
        expect(events.length).toBeGreaterThanOrEqual(acknowledged);
      }
      const database = new Database(copy);
      expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
      database.close();
    },
    (120_000 * 512) / STEP,
  );
});
