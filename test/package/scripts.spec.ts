import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { freshCopy } from '../sample/fresh-copy.js';

const root = join(import.meta.dirname, '../..');

interface Outcome {
  readonly status: number | null;
  readonly printed: string;
}

function run(script: string, parameters: readonly string[], cwd: string): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...parameters], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...AUTHOR },
  });
  return { status, printed: stdout + stderr };
}

const AUTHOR = {
  GIT_AUTHOR_NAME: 'A',
  GIT_AUTHOR_EMAIL: 'a@example.org',
  GIT_COMMITTER_NAME: 'A',
  GIT_COMMITTER_EMAIL: 'a@example.org',
  GIT_CONFIG_GLOBAL: '/dev/null',
};

const CHANGELOG = `# Changelog

## [Unreleased]

### Added

- Something.

## [0.0.1] - 2020-01-01
`;

describe('the report of the public API', () => {
  it('is not current when something is exported that was not', async () => {
    const copy = await freshCopy();
    try {
      for (const name of ['scripts', 'etc', 'tsconfig.build.json'])
        cpSync(join(root, name), join(copy.folder, name), { recursive: true });
      appendFileSync(join(copy.folder, 'src/index.ts'), 'export type Surprise = string;\n');
      const script = join(copy.folder, 'scripts/api-report.mjs');
      const { status, printed } = run(script, ['--check'], copy.folder);
      expect({ status, printed }).toEqual({
        status: 1,
        printed: expect.stringContaining('The public API has changed: index.api.md. Run'),
      });
      expect(run(script, [], copy.folder).status).toBe(0);
      const report = readFileSync(join(copy.folder, 'etc/index.api.md'), 'utf8');
      expect(report).toContain('export type Surprise = string;');
    } finally {
      await copy.remove();
    }
  }, 120_000);
});

describe('npm run release', () => {
  const script = join(root, 'scripts/release.mjs');
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'release-'));
    for (const name of ['package.json', 'package-lock.json'])
      cpSync(join(root, name), join(folder, name));
    writeFileSync(join(folder, 'CHANGELOG.md'), CHANGELOG);
    git('init', '--quiet');
    commitAll();
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('moves what is unreleased to the version, sets its number, and tags it', () => {
    const lines = read('package-lock.json').split('\n');
    const { status, printed } = run(script, ['98.7.6'], folder);
    expect({ status, printed }).toMatchObject({ status: 0 });
    const [today = ''] = new Date().toISOString().split('T');
    expect(read('CHANGELOG.md')).toBe(
      CHANGELOG.replace('Unreleased]', `Unreleased]\n\n## [98.7.6] - ${today}`),
    );
    expect(JSON.parse(read('package.json'))).toMatchObject({ version: '98.7.6' });
    const changed = read('package-lock.json')
      .split('\n')
      .filter((line, index) => line !== lines[index]);
    expect(changed.map((line) => line.trim())).toEqual(Array(2).fill('"version": "98.7.6",'));
    expect(git('status', '--porcelain')).toBe('');
    expect(git('tag', '--points-at', 'HEAD')).toBe('v98.7.6');
  });

  it('says what is missing', () => {
    expect(run(script, ['next'], folder).printed).toContain("'next' is no version");
    writeFileSync(join(folder, 'CHANGELOG.md'), '# Changelog\n\n## [Unreleased]\n\n');
    expect(run(script, ['1.2.3'], folder).printed).toContain('not committed');
    commitAll();
    expect(run(script, ['1.2.3'], folder).printed).toContain('Nothing is under [Unreleased]');
    expect(git('tag')).toBe('');
  });

  function read(name: string): string {
    return readFileSync(join(folder, name), 'utf8');
  }

  function commitAll(): void {
    git('add', '--all');
    git('commit', '--quiet', '--message', 'a state');
  }

  function git(...parameters: string[]): string {
    const env = { ...process.env, ...AUTHOR };
    return execFileSync('git', parameters, { cwd: folder, encoding: 'utf8', env }).trim();
  }
});
