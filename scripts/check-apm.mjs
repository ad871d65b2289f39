// Runs the packed package beside Sentry and dd-trace, and checks what docs/guide/beside.md says of them: test/package/apm.
//
//   npm run check:apm
//
// Run by hand, since each of them is a hundred megabytes.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './entries.mjs';
import { nestPackages } from './nest-versions.mjs';
import { npmInstall, run } from './toolchains.mjs';

const TRACERS = [
  { name: '@sentry/nestjs', range: '^10.75.0', program: ['sentry.mjs'] },
  {
    name: 'dd-trace',
    range: '^5.132.0',
    program: ['--import', 'dd-trace/register.js', 'dd-trace.mjs'],
  },
];

const folder = mkdtempSync(join(tmpdir(), 'check-apm-'));

try {
  const packed = run('npm', ['pack', '--silent', '--pack-destination', folder], root);
  for (const tracer of TRACERS) check(tracer, join(folder, packed.trim()));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function check({ name, range, program }, tarball) {
  const place = join(folder, name.replace(/\W+/g, '-'));
  cpSync(join(root, 'test/package/apm'), place, { recursive: true });
  writeFileSync(join(place, 'package.json'), '{ "private": true, "type": "module" }');
  // The peers of Sentry's package end at Nest 11.
  const options = ['--legacy-peer-deps'];
  npmInstall(place, [
    ...options,
    ...nestPackages({ nest: '^12.5.0' }),
    `${name}@${range}`,
    tarball,
  ]);
  const { version } = JSON.parse(
    readFileSync(join(place, 'node_modules', name, 'package.json'), 'utf8'),
  );
  for (const how of [[], ['leave-out']]) {
    console.log([name, version, ...how].join(' '));
    try {
      process.stdout.write(run(process.execPath, [...program, ...how], place));
    } catch (error) {
      console.log(`${error.stdout ?? ''}${error.stderr ?? ''}`);
      process.exitCode = 1;
    }
  }
}
