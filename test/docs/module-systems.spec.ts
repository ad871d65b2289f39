import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/guide/module-systems.md'), 'utf8');

it.each([
  ...[
    'ts-jest/jest.config.json',
    'jest-cjs/jest.config.js',
    'jest-esm/jest.config.js',
    'vitest/vitest.config.js',
  ],
  ...['swc/.swcrc', 'webpack/webpack.config.js'],
])('the guide shows the project that the package check runs: %s', (path) => {
  const file = readFileSync(join(root, 'test/package/projects', path), 'utf8');
  expect(page).toContain(`\n${file}\`\`\``);
});
