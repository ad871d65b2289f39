import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const ci = readFileSync(join(root, '.ci/run'), 'utf8');
const { scripts, peerDependencies } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
) as Record<'scripts' | 'peerDependencies', Record<string, string>>;

/**
 * What is run by hand: Nest's own tests are in its repository alone, and Sentry and dd-trace are a hundred megabytes
 * each.
 */
const BY_HAND = ['check:nest-suite', 'check:apm'];

describe('what the suite loads', () => {
  it('is one instance of each module, however it is reached', async () => {
    const required = createRequire(import.meta.url)('rxjs') as typeof import('rxjs');
    const { Observable } = await import('rxjs');
    const inner = await import('rxjs/internal/Observable');
    expect(required.Observable).toBe(Observable);
    expect(inner.Observable).toBe(Observable);
    const { Logger } = await import('@nestjs/common');
    const service = await import('@nestjs/common/services/logger.service.js');
    expect(service.Logger).toBe(Logger);
  });

  it('is the bundle, wherever the checkout lies, unless it is told not to', () => {
    const { resolve } = createRequire(import.meta.url);
    const isBundled = resolve('@nestjs/core').includes('/node_modules/.cache/');
    expect(isBundled).toBe(!process.env['UNBUNDLED']);
  });
});

describe('the checks', () => {
  it('are all run by CI', () => {
    // What a loop runs is named there: `for check in one two`.
    const [, looped = ''] = /^for check in (.+); do$/m.exec(ci) ?? [];
    const run = new Set(looped.split(' ').map((name) => `check:${name}`));
    for (const [, name = ''] of ci.matchAll(/^npm run --silent (check:\w+)/gm)) run.add(name);
    for (const name of BY_HAND) run.add(name);
    const wanted = Object.keys(scripts).filter((name) => name.startsWith('check:'));
    expect(wanted.filter((name) => !run.has(name))).toEqual([]);
    expect(ci).toMatch(/^npm test /m);
  });

  it('run Nest from the oldest version of the peer range to the newest of each of its lines', async () => {
    const path = `${root}/scripts/nest-versions.mjs`;
    const { NEST_VERSIONS } = (await import(path)) as { NEST_VERSIONS: { nest: string }[] };
    const versions = NEST_VERSIONS.map(({ nest }) => nest);
    const majors = [...new Set(versions.map((nest) => /\d+/.exec(nest)?.[0] ?? ''))];
    const oldest = majors.map((major) => versions.find((nest) => nest.startsWith(`${major}.`)));
    const range = oldest.map((nest) => `^${nest}`).join(' || ');
    for (const name of ['common', 'core']) expect(peerDependencies[`@nestjs/${name}`]).toBe(range);
    expect(versions.at(-1)).toMatch(/^\^/);
  });

  it('run the test files that the suite leaves out, all of which there are', async () => {
    const { PROGRAMS } = (await import(`${root}/jest.config.js`)) as { PROGRAMS: string[] };
    const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.spec.ts'))
      .map((file) => `<rootDir>/test/${file}`);
    const isLeftOut = (file: string) => PROGRAMS.some((pattern) => new RegExp(pattern).test(file));
    const inBrowser = files.filter((file) =>
      /^ *describeWith\(CHROMIUM/m.test(readFileSync(file.replace('<rootDir>', root), 'utf8')),
    );
    expect(inBrowser.filter((file) => !isLeftOut(file))).toEqual([]);
    const found = PROGRAMS.map((pattern) => {
      return files.filter((file) => new RegExp(pattern).test(file)).length;
    });
    expect(found).not.toContain(0);
    expect(scripts['check:programs']).toMatch(/--config programs\.jest\.config\.js$/);
  });
});
