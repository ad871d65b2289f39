// Lets the threads that a test starts run src as it is: jest transforms for its own thread alone. Each process
// bundles what a thread begins with, once; hooks for modules would compile all of it again in every thread.
import { existsSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { fileURLToPath } from 'node:url';
import threads from 'node:worker_threads';

const { Worker } = threads;
const require = createRequire(import.meta.url);
const bundles = new Map();

threads.Worker = class extends Worker {
  constructor(file, options) {
    super(file instanceof URL ? (bundleOf(file.href) ?? file) : file, options);
  }
};
syncBuiltinESMExports();

/** Imports name what the compiler writes; in src it lies beside, as TypeScript. */
function bundleOf(url) {
  if (!bundles.has(url)) bundles.set(url, isSource(url) ? bundle(url) : undefined);
  return bundles.get(url);
}

function isSource(url) {
  if (!/^file:.*\.js$/.test(url)) return false;
  const path = fileURLToPath(url);
  return !existsSync(path) && existsSync(path.replace(/js$/, 'ts'));
}

function bundle(url) {
  const { outputFiles } = require('esbuild').buildSync({
    entryPoints: [fileURLToPath(url).replace(/js$/, 'ts')],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: 'inline',
    // What it is resolved from is where the source is.
    define: { 'import.meta.url': JSON.stringify(url) },
  });
  const code = Buffer.from(outputFiles[0].contents).toString('base64');
  return new URL(`data:text/javascript;base64,${code}`);
}
