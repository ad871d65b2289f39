import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { pagesOf, snippetsOf } from './snippets.js';
import { typeCheck } from './type-check.js';

const root = join(import.meta.dirname, '../..');

it('the snippets of the documentation compile as they are written', () => {
  const typed = pagesOf(root)
    .flatMap((page) => snippetsOf(page, readFileSync(join(root, page), 'utf8')))
    .filter(({ language, isQuote }) => language === 'ts' && !isQuote);
  expect(typed.length).toBeGreaterThan(0);
  expect(typeCheck(typed, root, join(root, 'examples'))).toEqual([]);
}, 60_000);
