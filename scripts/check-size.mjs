// How much code an application loads with each entry: the files of the package that it reaches, each minified, in bytes. What
// is imported when it is used, by `import()`, is not loaded with it.
// Fails when an entry is over its limit in etc/size-limits.json, or has none. Needs `npm run build`.
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { minifySync } from '@swc/core';
import ts from 'typescript';
import { entries, root } from './entries.mjs';

const limits = JSON.parse(readFileSync(join(root, 'etc/size-limits.json'), 'utf8'));

for (const { name, file } of entries()) {
  const files = reachedFrom(join(root, 'dist', `${file}.js`));
  const size = files.map(sizeOf).reduce((sum, each) => sum + each, 0);
  const limit = limits[name];
  const isWithin = limit !== undefined && size <= limit;
  console.log(
    `${isWithin ? 'ok    ' : 'failed'}  ${name}: ${size} bytes in ${files.length} files, ` +
      (limit === undefined ? 'and no limit in etc/size-limits.json' : `limit ${limit}`),
  );
  if (!isWithin) process.exitCode = 1;
}

function reachedFrom(entry) {
  const reached = new Set([entry]);
  for (const path of reached) {
    const text = readFileSync(path, 'utf8');
    for (const { fileName, pos } of ts.preProcessFile(text, true, true).importedFiles) {
      const isDynamic = /import\(\s*['"]?$/.test(text.slice(0, pos));
      if (fileName.startsWith('.') && !isDynamic) reached.add(join(dirname(path), fileName));
    }
  }
  return [...reached];
}

function sizeOf(path) {
  const { code } = minifySync(readFileSync(path, 'utf8'), {
    module: true,
    compress: true,
    mangle: true,
  });
  if (code === '') throw new Error(`Nothing is left of ${relative(root, path)}`);
  return Buffer.byteLength(code);
}
