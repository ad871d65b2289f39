import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Logger } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { LogLines } from '../support/log-lines.js';
import { temporaryPaths } from './support/folder.js';
import { instances } from './support/instances.js';

const MIB = 2 ** 20;

/** A disk of so many bytes; undefined for a user who may not make one. */
function mountDisk(folder: string, bytes: number): (() => void) | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder], {
      stdio: 'ignore',
    });
    return () => execFileSync('umount', ['-l', folder]);
  } catch {
    return undefined;
  }
}

describe('a full disk', () => {
  let unmount: (() => void) | undefined;

  // Before the folder is removed, on which the disk is mounted.
  afterEach(() => {
    unmount?.();
    Logger.overrideLogger(false);
  });

  const newPath = temporaryPaths();
  const open = instances();

  it('makes publishes reject, saying so; nothing that was kept is lost, and with space it goes on', async () => {
    const logs = new LogLines();
    Logger.overrideLogger(logs);
    const path = newPath();
    const folder = dirname(path);
    unmount = mountDisk(folder, 4 * MIB);
    if (unmount === undefined) {
      process.stderr.write('Not run: a full disk, because this user may not mount one\n');
      expect(process.env['CI'] ?? '').not.toBe('true');
      return;
    }
    const { backplane, publish, sink } = await open({ path });
    const other = await open({ path });
    await publish('before');
    writeFileSync(join(folder, 'something else'), Buffer.alloc(3 * MIB));
    const text = 'x'.repeat(100_000);
    const kept = [];
    let error: unknown;
    for (let number = 0; error === undefined && number < 40; number++) {
      try {
        kept.push(await publish(text));
      } catch (reason) {
        error = reason;
      }
    }
    expect(error).toMatchObject({ name: 'SseError', code: 'BACKPLANE_UNAVAILABLE' });
    expect(String(error)).toMatch(/The disk that .* is on is full\. Free some space/);
    expect(backplane.health.isConnected).toBe(false);
    expect(sink.head).toBe(1 + kept.length);
    rmSync(join(folder, 'something else'));
    const cursor = await publish('after');
    expect(cursor).toBe(`${sink.epoch}.${2 + kept.length}`);
    expect(backplane.health.isConnected).toBe(true);
    await other.sink.until('the other one has it too', () => other.sink.head === sink.head);
    expect([...other.sink.held.values()]).toEqual(['before', ...kept.map(() => text), 'after']);
    expect(logs.lines.map(({ level }) => level)).toEqual(['warn', 'log']);
    await Promise.all([backplane.close(), other.backplane.close()]);
  });
});
