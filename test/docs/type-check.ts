import { dirname, join } from 'node:path';
import ts from 'typescript';
import type { Snippet } from './snippets.js';

/**
 * Compiles snippets as if they were files of a folder, with the strictness of the repository, against the
 * sources of the package. Returns what the compiler says, with the place in the page.
 */
export function typeCheck(snippets: readonly Snippet[], root: string, folder: string): string[] {
  const config = join(root, 'tsconfig.json');
  const json = ts.readConfigFile(config, (path) => ts.sys.readFile(path)).config as object;
  const { options } = ts.parseJsonConfigFileContent(
    { ...json, files: [] },
    ts.sys,
    dirname(config),
  );
  options.lib = [...(options.lib ?? []), 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'];

  const files = new Map(snippets.map((snippet) => [join(folder, snippet.file), snippet]));
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.readFile = (path) => files.get(path)?.code ?? readFile(path);

  const program = ts.createProgram([...files.keys()], options, host);
  return [...files].flatMap(([path, { page, line }]) => {
    const source = program.getSourceFile(path);
    return ts
      .getPreEmitDiagnostics(program, source)
      .filter(({ file }) => file === source)
      .map(({ file, start, messageText }) => {
        const inside = file?.getLineAndCharacterOfPosition(start ?? 0).line ?? 0;
        const message = ts.flattenDiagnosticMessageText(messageText, '\n');
        return `${page}:${line + inside + 1}: ${message}`;
      });
  });
}
