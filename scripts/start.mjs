// Compiles an application of this repository with the package, and runs it:
//   node scripts/start.mjs FILE FOLDER...
// Each run has a folder of its own, so whatever else is built or started in the same checkout, nothing that
// runs loses its files, and nothing is started from files of which another build has written half.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '..');
const builds = join(root, 'build');
const [file = 'main', ...path] = process.argv.slice(2);
const source = join(...path);
const entry = join(source, file);

if (existsSync(join(root, `${entry}.ts`))) {
  removeLeftovers();
  const folder = join(builds, `run-${process.pid}`);
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  await compile(folder);
  await import(pathToFileURL(join(folder, `${entry}.js`)).href);
} else {
  console.error(`There is no ${entry}.ts; there are: ${applicationsBeside(source).join(', ')}`);
  process.exitCode = 1;
}

/** Runs that were killed leave their folders. */
function removeLeftovers() {
  mkdirSync(builds, { recursive: true });
  for (const name of readdirSync(builds)) {
    const [, pid] = /^run-(\d+)$/.exec(name) ?? [];
    if (pid === undefined || (isRunning(Number(pid)) && Number(pid) !== process.pid)) continue;
    rmSync(join(builds, name), { recursive: true, force: true });
  }
}

function isRunning(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

async function compile(folder) {
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest()));
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(configuration(folder)));
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const child = spawn(process.execPath, [compiler, '-p', folder], { stdio: 'inherit' });
  const stop = (signal) => {
    child.kill(signal);
    process.exit(1);
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  const [code] = await once(child, 'exit');
  process.off('SIGINT', stop).off('SIGTERM', stop);
  if (code !== 0) process.exit(1);
  const pages = join(root, source, 'public');
  if (existsSync(pages)) cpSync(pages, join(folder, source, 'public'), { recursive: true });
}

/** The application imports the package by its name, and gets it from where it was compiled to. */
function manifest() {
  const { name, type, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const entries = Object.entries(exports).filter(([, to]) => typeof to === 'object');
  const compiled = entries.map(([key, to]) => [key, to.default.replace(/^\.\/dist\//, './src/')]);
  return { name, type, exports: Object.fromEntries(compiled) };
}

function configuration(folder) {
  const up = relative(folder, root);
  return {
    extends: join(up, 'tsconfig.json'),
    compilerOptions: { rootDir: up, outDir: '.', noEmit: false, declaration: false },
    // All of the package: what a page or a thread begins with, no module imports.
    include: [source, 'src'].map((each) => join(up, each)),
    exclude: ['**/*.spec.ts'].map((pattern) => join(up, source, pattern)),
  };
}

function applicationsBeside(place) {
  const folder = [place, join(place, '..')].find((each) => existsSync(join(root, each)));
  if (folder === undefined) return ['none'];
  return readdirSync(join(root, folder)).filter((name) =>
    existsSync(join(root, folder, name, 'main.ts')),
  );
}
