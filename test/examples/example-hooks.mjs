// Lets an example run in a process of its own, as it is, with src in the place of the package.
import { register } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { transformFile } from '@swc/core';

const root = join(import.meta.dirname, '../..');
const NAME = 'nestjs-event-stream';

if (isMainThread) register(import.meta.url);

export async function resolve(specifier, context, next) {
  if (specifier === NAME || specifier.startsWith(`${NAME}/`)) {
    const file = join(root, 'src', specifier.slice(NAME.length), 'index.ts');
    return { url: pathToFileURL(file).href, shortCircuit: true };
  }
  if (/^(\.|file:).*\.js$/.test(specifier)) {
    const url = new URL(specifier, context.parentURL);
    const source = new URL(url.href.replace(/\.js$/, '.ts'));
    if (!existsSync(url) && existsSync(source)) return { url: source.href, shortCircuit: true };
  }
  return next(specifier, context);
}

export async function load(url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context);
  const { code } = await transformFile(fileURLToPath(url), {
    swcrc: false,
    jsc: {
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
      target: 'es2022',
    },
    module: { type: 'es6' },
  });
  return { format: 'module', source: code, shortCircuit: true };
}
