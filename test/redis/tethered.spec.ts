import { expect, it } from '@jest/globals';
import { once } from 'node:events';
import { spawnTethered } from '../support/tethered.js';

it('ends a redis-server when the process of its test is gone', async () => {
  const child = spawnTethered('sleep', ['60']);
  const ending = once(child, 'exit');
  // What the operating system does then.
  child.stdin?.destroy();
  expect(await ending).toEqual([null, 'SIGKILL']);
});

it('tells how the program has ended, as if it had been started at once', async () => {
  const child = spawnTethered('sh', ['-c', 'exit 3']);
  expect(await once(child, 'exit')).toEqual([3, null]);
});
