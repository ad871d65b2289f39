import { join, relative } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '../../..');

/** The files that a bundler makes of entries of the client, by their names; `index.js` is the first to load. */
export async function bundle(...given: string[]): Promise<Map<string, string>> {
  const entries = given.length > 0 ? given : ['src/client/index.ts'];
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: entries.map((entry) => join(root, entry)),
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    outdir: 'bundle',
    write: false,
    define: { 'process.env.NODE_ENV': '"production"' },
  });
  return new Map(outputFiles.map(({ path, text }) => [relative(join(root, 'bundle'), path), text]));
}
