// Bundles the client as an application would, and holds it to what the documentation promises.
import { gzipSync } from 'node:zlib';
import { join } from 'node:path';
import { build } from 'esbuild';

/** Bytes, minified and compressed. */
const LIMITS = { core: 2_500, 'with sharing': 4_000 };

/** The sizes of what a page loads first, and of that and what `share` loads besides. */
async function clientSizes() {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, '../src/client/index.ts')],
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    outdir: 'bundle',
    write: false,
  });
  const sizeOf = (files) =>
    files.reduce((sum, { contents }) => sum + gzipSync(contents, { level: 9 }).length, 0);
  // What both of them need lies beside `index.js`, and is loaded with it.
  const core = outputFiles.filter(({ path }) => !/share-\w+\.js$/.test(path));
  return { core: sizeOf(core), 'with sharing': sizeOf(outputFiles) };
}

for (const [what, size] of Object.entries(await clientSizes())) {
  const limit = LIMITS[what];
  console.log(`${size > limit ? 'failed ' : 'ok     '} ${what}: ${size} bytes of ${limit}`);
  if (size > limit) process.exitCode = 1;
}
