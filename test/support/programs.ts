import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, it } from '@jest/globals';

/** A program that some tests need and that npm does not install. */
export interface Program {
  /** The names that it goes by; the first one found on the PATH is taken. */
  readonly names: readonly string[];
  /** How to get it, for somebody who does not have it. */
  readonly install: string;
}

export const CHROMIUM: Program = {
  names: ['chromium', 'chromium-browser', 'google-chrome'],
  install: 'on Debian and Ubuntu: apt-get install chromium',
};

export const FIREFOX: Program = {
  names: ['firefox-esr', 'firefox'],
  install: 'on Debian: apt-get install firefox-esr',
};

export const REDIS_SERVER: Program = {
  names: ['redis-server', 'valkey-server'],
  install: 'on Debian and Ubuntu: apt-get install redis-server',
};

export const NGINX: Program = {
  names: ['nginx'],
  install: 'on Debian and Ubuntu: apt-get install nginx',
};

export const PYTHON: Program = {
  names: ['python3'],
  install: 'on Debian and Ubuntu: apt-get install python3',
};

/** The path of the first of these programs that is on the PATH. */
export function findProgram(names: readonly string[]): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return names
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((path) => isExecutable(path));
}

/**
 * Describes tests that need a program; `body` gets its path. Without the program they are not run, and one
 * line says so; in CI, where nobody reads the line, that is a failure.
 */
export function describeWith(program: Program, title: string, body: (path: string) => void): void {
  const path = findProgram(program.names);
  if (path !== undefined) {
    describe(title, () => body(path));
    return;
  }
  const names = program.names.join(', ');
  const message = `Not run: '${title}': none of ${names} is on the PATH (${program.install})`;
  if (['true', '1'].includes(process.env['CI'] ?? '')) {
    describe(title, () => {
      it(`finds ${program.names[0]} on the PATH`, () => {
        throw new Error(message);
      });
    });
    return;
  }
  process.stderr.write(`${message}\n`);
  describe.skip(title, () => body(''));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
