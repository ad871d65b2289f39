import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SOURCES = [
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'tsconfig.sample.json',
  'nest-cli.json',
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
