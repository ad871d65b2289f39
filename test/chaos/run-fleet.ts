import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { transformFile } from '@swc/core';
import { freshCopy, transpile } from '../sample/fresh-copy.js';
import type { Emitted, RunInstanceOptions, RunOrder } from './run-instance.js';

/** A folder from which instances with runs can be started as processes. */
export async function buildRunInstance(): Promise<{ folder: string; remove(): Promise<void> }> {
  const copy = await freshCopy();
  await transpile(copy.folder);
  const { code } = await transformFile('test/chaos/run-instance.ts', {
    swcrc: false,
    jsc: {
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
      target: 'es2022',
    },
    module: { type: 'es6' },
  });
  await writeFile(join(copy.folder, 'run-instance.js'), code);
  return copy;
}

/** An instance in a process of its own. */
export class RunInstance {
  readonly #child: ChildProcess;

  private constructor(
    child: ChildProcess,
    readonly url: string,
  ) {
    this.#child = child;
  }

  static async start(folder: string, options: RunInstanceOptions): Promise<RunInstance> {
    const child = spawn(process.execPath, ['run-instance.js'], {
      cwd: folder,
      env: { ...process.env, RUN_INSTANCE: JSON.stringify(options) },
      // It ends with what it reads from: a test that fails, or is killed itself, leaves none behind.
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin.on('error', () => {});
    const signal = AbortSignal.timeout(20_000);
    try {
      const lines = createInterface({ input: child.stdout });
      const [line] = (await once(lines, 'line', { signal })) as [string];
      return new RunInstance(child, line.replace('Listening on ', ''));
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async kill(): Promise<void> {
    if (!this.isAlive) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }

  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  /** Undefined if it did not start, as far as one knows. */
  async begin(id: string, order: RunOrder): Promise<{ isNew: boolean } | undefined> {
    return (await this.#ask('POST', `/runs/${id}`, order)) as { isNew: boolean } | undefined;
  }

  async stop(id: string): Promise<{ status: string } | undefined> {
    return (await this.#ask('DELETE', `/runs/${id}`)) as { status: string } | undefined;
  }

  async emitted(id: string): Promise<Emitted | undefined> {
    const found = (await this.#ask('GET', `/emitted/${id}`)) as Partial<Emitted> | undefined;
    return found?.acknowledged === undefined ? undefined : (found as Emitted);
  }

  /** The runs whose end is its word. */
  async ended(): Promise<readonly string[]> {
    return ((await this.#ask('GET', '/ended')) ?? []) as readonly string[];
  }

  async #ask(method: string, path: string, body?: object): Promise<unknown> {
    try {
      const answer = await fetch(this.url + path, {
        method,
        ...(body !== undefined && {
          body: JSON.stringify(body),
          headers: { 'content-type': 'application/json' },
        }),
        signal: AbortSignal.timeout(20_000),
      });
      const text = await answer.text();
      return answer.ok && text !== '' ? (JSON.parse(text) as unknown) : undefined;
    } catch {
      return undefined;
    }
  }
}
