import { afterEach } from '@jest/globals';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A function that gives paths in new folders, which go with the test. */
export function temporaryPaths(): (name?: string) => string {
  const folders: string[] = [];
  afterEach(async () => {
    for (const folder of folders.splice(0))
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  return (name = 'events.db') => {
    const folder = mkdtempSync(join(tmpdir(), 'sqlite-'));
    folders.push(folder);
    return join(folder, name);
  };
}
