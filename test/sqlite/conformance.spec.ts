import { describe, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sqliteBackplane } from 'nestjs-event-stream/sqlite';
import { backplaneConformance } from 'nestjs-event-stream/testing';

describe.each(['process', 'power'] as const)("sqliteBackplane(), durability '%s'", (durability) => {
  const checks = backplaneConformance(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sqlite-'));
    const path = join(folder, 'events.db');
    return {
      instance: () => sqliteBackplane({ path, durability, publishTimeout: 2_000 }),
      async forget() {
        for (const file of [`${path}-wal`, `${path}-shm`, path]) await rm(file, { force: true });
      },
      tearDown: () => rm(folder, { recursive: true, force: true }),
    };
  });

  for (const { name, run } of checks) it(name, run);
});
