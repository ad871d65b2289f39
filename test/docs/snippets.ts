import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** One fenced piece of code in a page. */
export interface Snippet {
  readonly page: string;
  readonly line: number;
  readonly language: string;
  /** Named by a comment in its first line; a snippet without one is named by its place. */
  readonly file: string;
  /** Whether it shows a file of `examples/`. */
  readonly isQuote: boolean;
  readonly code: string;
}

const FENCE = /^```(\w+)\n(.*?)^```$/gms;

export function snippetsOf(page: string, text: string): Snippet[] {
  return [...text.matchAll(FENCE)].map(({ 1: language = '', 2: code = '', index }) => {
    const line = text.slice(0, index).split('\n').length;
    const [, named = ''] = /^\/\/ ([\w./-]+)/.exec(code) ?? [];
    const file = named === '' ? `line-${line}.${language}` : named;
    return { page, line, language, code, file, isQuote: file.startsWith('examples/') };
  });
}

/** The documentation of a checkout, by paths from its root. */
export function pagesOf(root: string): string[] {
  const inDocs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' });
  return [...readdirSync(root), ...inDocs.map((name) => `docs/${name}`)].filter((name) =>
    name.endsWith('.md'),
  );
}
