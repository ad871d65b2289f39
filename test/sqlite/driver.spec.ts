import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hasWalResetFix } from '../../src/sqlite/driver.js';
import { freshCopy, transpile } from '../sample/fresh-copy.js';

describe('the driver', () => {
  let copy: Awaited<ReturnType<typeof freshCopy>>;

  beforeAll(async () => {
    copy = await freshCopy();
    await transpile(copy.folder);
  });

  afterAll(() => copy.remove());

  /** What happens where `node:sqlite` is not there and `better-sqlite3` gives an error when it is loaded. */
  async function failureWith(code: string): Promise<string> {
    const program = `
      import Module from 'node:module';
      const load = Module._load;
      Module._load = (name, ...rest) => {
        if (name !== 'better-sqlite3') return load(name, ...rest);
        throw Object.assign(new Error('the reason'), { code: '${code}' });
      };
      process.getBuiltinModule = () => undefined;
      const { loadDriver } = await import('./dist/sqlite/driver.js');
      try { loadDriver(); } catch (error) { console.log(error.code + ' ' + error.message); }`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', program],
      { cwd: copy.folder },
    );
    return stdout;
  }

  it('is missing: the error says how to get one', async () => {
    expect(await failureWith('MODULE_NOT_FOUND')).toMatch(
      /^BACKPLANE_UNAVAILABLE .*npm install better-sqlite3, or use Node\.js 22\.13/,
    );
  });

  it('was built for another Node.js: the error says how to build it', async () => {
    expect(await failureWith('ERR_DLOPEN_FAILED')).toMatch(
      /^BACKPLANE_UNAVAILABLE .*the reason.*npm rebuild better-sqlite3/,
    );
  });

  it.each([
    ['3.40.1', false],
    ['3.44.5', false],
    ['3.44.6', true],
    ['3.50.4', false],
    ['3.50.7', true],
    ['3.51.2', false],
    ['3.51.3', true],
    ['3.53.2', true],
    ['4.0.0', true],
  ])(
    'knows whether SQLite %s can damage a file that several processes use: free of it: %s',
    (version, isFixed) => {
      expect(hasWalResetFix(version)).toBe(isFixed);
    },
  );
});
