import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { transformFile } from '@swc/core';

const SOURCES = [
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'scripts/start.mjs',
  'src',
  'sample',
];

/** The project as `npm ci` leaves a fresh clone: with its dependencies, and nothing built. */
export async function freshCopy(): Promise<{ folder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'nestjs-event-stream-'));
  const project = process.cwd();
  for (const name of SOURCES)
    await cp(join(project, name), join(folder, name), { recursive: true });
  await symlink(join(project, 'node_modules'), join(folder, 'node_modules'), 'dir');
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Builds package and sample in a fresh copy: faster than the compiler, and without its checks. */
export async function transpile(folder: string): Promise<void> {
  await transpileFolder(join(folder, 'src'), join(folder, 'dist'));
  await transpileFolder(join(folder, 'sample'), join(folder, 'build'));
  await cp(join(folder, 'sample/public'), join(folder, 'build/public'), { recursive: true });
}

async function transpileFolder(from: string, to: string): Promise<void> {
  const files = await readdir(from, { recursive: true });
  for (const file of files.filter((name) => name.endsWith('.ts'))) {
    const { code } = await transformFile(join(from, file), {
      swcrc: false,
      jsc: {
        parser: { syntax: 'typescript', decorators: true },
        transform: { legacyDecorator: true, decoratorMetadata: true },
        target: 'es2022',
      },
      module: { type: 'es6' },
    });
    const target = join(to, file.replace(/\.ts$/, '.js'));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, code);
  }
}

/** A child process, and what it has printed. */
export class Running {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown[]>;
  #output = '';

  constructor(command: string, args: readonly string[], folder: string, env: NodeJS.ProcessEnv) {
    this.#child = spawn(command, args, {
      cwd: folder,
      env: { ...process.env, ...env, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that no grandchild can outlive a failed test.
      detached: true,
    });
    this.#exit = once(this.#child, 'exit');
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    }
  }

  get output(): string {
    return this.#output;
  }

  /** The first match in what it prints. */
  async prints(pattern: RegExp, bound = 90_000): Promise<string> {
    const end = performance.now() + bound;
    for (;;) {
      const found = pattern.exec(this.#output)?.[0];
      if (found !== undefined) return found;
      if (this.#child.exitCode !== null || performance.now() > end) {
        throw new Error(`It did not print ${String(pattern)}:\n${this.#output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Asks it to stop; milliseconds until it had. */
  async terminate(): Promise<number> {
    const start = performance.now();
    this.#child.kill('SIGTERM');
    await this.#exit;
    return performance.now() - start;
  }

  /** Whether it, or something that it started, still runs. */
  get isAlive(): boolean {
    const { pid } = this.#child;
    if (pid === undefined) return false;
    try {
      return process.kill(-pid, 0);
    } catch {
      return false;
    }
  }

  /** Ends whatever is left. */
  destroy(): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // There is nothing left.
    }
  }
}
