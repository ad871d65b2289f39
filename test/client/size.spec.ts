import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';

it('the client is as small as is said: 2.5 kB, with sharing 4 kB, with topics 5.3 kB, minified and compressed', () => {
  const script = join(import.meta.dirname, '../../scripts/check-client-size.mjs');
  const said = execFileSync(process.execPath, [script], { encoding: 'utf8' });
  expect(said.trim().split('\n')).toHaveLength(3);
});
