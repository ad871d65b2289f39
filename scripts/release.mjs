// Makes a release, without publishing it: node scripts/release.mjs VERSION
// What is under "Unreleased" in CHANGELOG.md becomes that of the version; package.json and the lockfile get its number; then
// a commit and a tag. Pushing the tag publishes: .github/workflows/release.yml.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const [version = ''] = process.argv.slice(2);

if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) fail(`'${version}' is no version, such as 1.2.3`);
if (git('status', '--porcelain') !== '') fail('There are changes that are not committed');
if (git('tag', '--list', `v${version}`) !== '') fail(`v${version} is tagged already`);

const changelog = readFileSync('CHANGELOG.md', 'utf8');
const [, changes] = /^## \[Unreleased\]\n([^]*?)(?=^## |(?![^]))/m.exec(changelog) ?? [];
if (changes === undefined) fail('CHANGELOG.md has no section [Unreleased]');
if (changes.trim() === '') fail('Nothing is under [Unreleased] in CHANGELOG.md');

const date = new Date().toISOString().slice(0, 10);
const heading = `## [Unreleased]\n\n## [${version}] - ${date}\n`;
writeFileSync('CHANGELOG.md', changelog.replace('## [Unreleased]\n', heading));
for (const file of ['package.json', 'package-lock.json']) setVersion(file);
git('commit', '--all', '--message', `chore: release ${version}`);
git('tag', '--annotate', `v${version}`, '--message', version);
console.log(`Tagged. To publish: git push --follow-tags`);

/** By text, so that nothing else in the file moves. */
function setVersion(file) {
  const text = readFileSync(file, 'utf8');
  const parsed = JSON.parse(text);
  const old = `"version": "${parsed.version}"`;
  const times = parsed.packages === undefined ? 1 : 2;
  let changed = text;
  let from = 0;
  for (let time = 0; time < times; time++) {
    const at = changed.indexOf(old, from);
    changed = `${changed.slice(0, at)}"version": "${version}"${changed.slice(at + old.length)}`;
    from = at + 1;
  }
  writeFileSync(file, changed);
}

function git(...parameters) {
  return execFileSync('git', parameters, { encoding: 'utf8' }).trim();
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
