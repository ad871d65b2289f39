// Installs the oldest or the newest versions of what package.json names as peers, to run the tests with them:
//   node scripts/use-peers.mjs oldest|newest
// Changes node_modules only; `npm ci` puts it back.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './entries.mjs';

const [which] = process.argv.slice(2);
if (which !== 'oldest' && which !== 'newest') throw new Error(`'oldest' or 'newest', not ${which}`);
const { peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const wanted = Object.entries(peerDependencies).map(
  ([name, range]) => `${name}@${versionOf(range)}`,
);
console.log(wanted.join('\n'));
execFileSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--force', ...wanted], {
  cwd: root,
  stdio: 'inherit',
});

/** The lower end of the first part of a range such as '^5.4.0 || ^6.0.0', or all of the last part. */
function versionOf(range) {
  const parts = range.split('||').map((part) => part.trim());
  return which === 'oldest' ? parts[0].replace(/^[\^~>=]+/, '') : parts.at(-1);
}
