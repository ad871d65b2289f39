import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freshCopy, Running } from '../sample/fresh-copy.js';

describe('npm run example', () => {
  let copy: Awaited<ReturnType<typeof freshCopy>>;

  beforeAll(async () => {
    copy = await freshCopy();
    await cp('examples', join(copy.folder, 'examples'), { recursive: true });
  });

  afterAll(() => copy.remove());

  function example(name: string): Running {
    return new Running('npm', ['run', 'example', name], copy.folder, { PORT: '0' });
  }

  it('starts the one that is named, which ends on SIGTERM', async () => {
    const running = example('shutdown');
    try {
      await running.prints(/successfully started/);
      await running.terminate();
      expect(running.isAlive).toBe(false);
    } finally {
      running.destroy();
    }
  }, 120_000);

  it('says which ones there are when there is none of that name', async () => {
    const running = example('nothing');
    await running.prints(/There is no examples\/nothing\/main\.ts; there are: .*job-progress/);
    running.destroy();
  });
});
