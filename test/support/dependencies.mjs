import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Script } from 'node:vm';

const require = createRequire(import.meta.url);

/** What every test file would load anew, as hundreds of files. */
const PACKAGES = [
  '@nestjs/common',
  '@nestjs/core',
  '@nestjs/microservices',
  '@nestjs/microservices/microservices-module.js',
  '@nestjs/platform-express',
  '@nestjs/platform-fastify',
  '@nestjs/testing',
  '@nestjs/websockets/socket-module.js',
  'express',
  'fastify',
  'ioredis',
  'reflect-metadata',
  'rxjs',
  'rxjs/operators',
];
const ROOT = resolve(import.meta.dirname, '../..');
const MODULES = join(ROOT, 'node_modules');
const BUNDLED = Symbol.for('nestjs-event-stream.test.bundled');

/** Changes with what is installed, and with how it is bundled. */
const key = createHash('sha256')
  .update(readFileSync(fileURLToPath(import.meta.url)))
  .update(
    existsSync(join(MODULES, '.package-lock.json'))
      ? readFileSync(join(MODULES, '.package-lock.json'))
      : '',
  )
  .digest('hex')
  .slice(0, 16);
const FOLDER = join(MODULES, '.cache/nestjs-event-stream', key);
const BUNDLE = join(FOLDER, 'bundle.js');

/** Before the first test file of a run. */
export default async function bundleOnce() {
  if (process.env.UNBUNDLED || existsSync(FOLDER)) return;
  const { code, files } = await bundle();
  mkdirSync(dirname(FOLDER), { recursive: true });
  const folder = mkdtempSync(`${FOLDER}-`);
  writeFileSync(join(folder, 'bundle.js'), code);
  writeFileSync(join(folder, 'files.json'), JSON.stringify(files));
  for (const at of files.keys()) {
    const imports = '(name) => import(name)';
    const symbol = `Symbol.for('${BUNDLED.description}')`;
    writeFileSync(
      join(folder, `${at}.cjs`),
      `module.exports = globalThis[${symbol}](${at}, require, ${imports});\n`,
    );
  }
  try {
    renameSync(folder, FOLDER);
  } catch (error) {
    // Another run was as fast.
    rmSync(folder, { recursive: true });
    if (!existsSync(FOLDER)) throw error;
  }
}

async function bundle() {
  const { context } = require('esbuild');
  let files = PACKAGES;
  const building = await context({
    entryPoints: ['all'],
    plugins: [
      {
        name: 'all',
        setup(build) {
          build.onResolve({ filter: /^all$/ }, ({ path }) => ({ path, namespace: 'all' }));
          build.onLoad({ filter: /^all$/, namespace: 'all' }, () => ({
            contents: `module.exports = [${files.map((file) => `() => require(${JSON.stringify(file)})`).join()}]`,
            resolveDir: ROOT,
          }));
        },
      },
    ],
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    // Without esbuild's own `module`: what Node would load.
    conditions: ['node-addons'],
    external: optionalPeers(),
    keepNames: true,
    define: { 'import.meta.url': 'META_URL' },
    logLevel: 'silent',
  });
  try {
    // Whoever loads one of them has to get this one.
    const { inputs } = (await building.rebuild()).metafile;
    files = Object.keys(inputs)
      .filter((input) => /\.[cm]?js$/.test(input))
      .map((input) => `./${input}`);
    const { text } = (await building.rebuild()).outputFiles[0];
    const code = text.replaceAll(/(?<![.\w$])import\(/g, 'IMPORT(');
    return {
      code: `(function (module, require, IMPORT, META_URL, __filename, __dirname) {${code}\n})`,
      files,
    };
  } finally {
    await building.dispose();
  }
}

/** What the packages do without, if it is missing. */
function optionalPeers() {
  const names = PACKAGES.map((name) => /^(@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name);
  const peers = names.flatMap((name) => {
    const text = readFileSync(join(MODULES, name, 'package.json'), 'utf8');
    return Object.keys(JSON.parse(text).peerDependencies ?? {});
  });
  return peers.filter((peer) => !names.includes(peer));
}

let shims;
/** Compiled once in a process, with what V8 makes of its functions when they are first called. */
let script;

/** What stands for a file that is in the bundle. */
export function bundled(path) {
  shims ??= readShims();
  return shims?.get(path) ?? path;
}

/** Lets the modules of a context load what is bundled. */
export function provideBundled(context, global) {
  let modules;
  Object.defineProperty(global, BUNDLED, {
    value: (at, requireOne, importOne) => {
      modules ??= evaluate(context, requireOne, importOne);
      return modules[at]();
    },
  });
}

function readShims() {
  if (process.env.UNBUNDLED || !existsSync(FOLDER)) return undefined;
  const files = JSON.parse(readFileSync(join(FOLDER, 'files.json'), 'utf8'));
  return new Map(files.map((file, at) => [join(ROOT, file), join(FOLDER, `${at}.cjs`)]));
}

function evaluate(context, requireOne, importOne) {
  // The name of no file: jest would search all of it for a source map whenever a stack is read.
  script ??= new Script(readFileSync(BUNDLE, 'utf8'), { filename: join(FOLDER, 'bundle') });
  const module = { exports: [] };
  const url = pathToFileURL(BUNDLE).href;
  script.runInContext(context)(module, requireOne, importOne, url, BUNDLE, FOLDER);
  return module.exports;
}
