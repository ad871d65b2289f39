/** One fenced piece of code in a page. */
export interface Snippet {
  readonly page: string;
  readonly line: number;
  readonly language: string;
  /** Named by a comment in its first line; a `ts` snippet without one is named by its place. */
  readonly file: string;
  readonly code: string;
}

const FENCE = /^```(\w+)\n(.*?)^```$/gms;

export function snippetsOf(page: string, text: string): Snippet[] {
  return [...text.matchAll(FENCE)].map(({ 1: language = '', 2: code = '', index }) => {
    const line = text.slice(0, index).split('\n').length;
    const [, named] = /^\/\/ ([\w.-]+)/.exec(code) ?? [];
    return { page, line, language, code, file: named ?? `line-${line}.${language}` };
  });
}
