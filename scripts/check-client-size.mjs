// Bundles the client as an application would, and holds it to what the documentation promises.
import { gzipSync } from 'node:zlib';
import { join } from 'node:path';
import { build } from 'esbuild';

/** Bytes, minified and compressed. */
const LIMITS = { core: 2_500, 'with sharing': 4_000, 'with topics': 5_300 };

/** What a bundler makes of entries of the client. */
async function bundle(...entries) {
  const { outputFiles } = await build({
    entryPoints: entries.map((entry) => join(import.meta.dirname, '../src/client', entry)),
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    outdir: 'bundle',
    write: false,
  });
  return outputFiles;
}

/** The sizes of what a page loads first, of that and what `share` loads besides, and of both with `uniteTopics`. */
async function clientSizes() {
  const alone = await bundle('index.ts');
  const sizeOf = (files) =>
    files.reduce((sum, { contents }) => sum + gzipSync(contents, { level: 9 }).length, 0);
  // What both of them need lies beside `index.js`, and is loaded with it.
  const core = alone.filter(({ path }) => !/share-\w+\.js$/.test(path));
  return {
    core: sizeOf(core),
    'with sharing': sizeOf(alone),
    'with topics': sizeOf(await bundle('index.ts', 'topics/index.ts')),
  };
}

for (const [what, size] of Object.entries(await clientSizes())) {
  const limit = LIMITS[what];
  console.log(`${size > limit ? 'failed ' : 'ok     '} ${what}: ${size} bytes of ${limit}`);
  if (size > limit) process.exitCode = 1;
}
