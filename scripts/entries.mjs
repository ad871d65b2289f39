import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..');

/** The entries of the package: what users import, and the file in `src` or `dist` that it is, without its type. */
export function entries() {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return Object.entries(exports)
    .filter(([, to]) => typeof to === 'object')
    .map(([name, to]) => ({ name, file: to.default.replace(/^\.\/dist\/(.+)\.js$/, '$1') }));
}
