import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as elapse } from 'node:timers/promises';
import { transformFile } from '@swc/core';
import { freshCopy, transpile } from '../sample/fresh-copy.js';
import { type InstanceOptions, startInstance } from './instance.js';
import type { Instances } from './instances.js';

/** Milliseconds that a process has to begin, on a machine that does other things as well. */
const START_TIMEOUT = 60_000;

/** One instance, in this process or in one of its own. */
export interface Instance {
  readonly url: string;
  /** Ends it as a deployment does. */
  close(): Promise<void>;
  /** For an instance in a process of its own. */
  readonly process?: ChildProcess;
}

export interface FleetOptions {
  /** Of the instances in this process. */
  readonly here: InstanceOptions;
  /** Of the children: they may find Redis elsewhere, so that it can be kept from them alone. */
  readonly child: InstanceOptions;
}

/** The instances that run, of which the first are processes of their own. */
export class Fleet implements Instances {
  readonly #options: FleetOptions;
  readonly #instances: (Instance | undefined)[] = [];
  readonly #folder: string;
  readonly #children: number;

  private constructor(options: FleetOptions, children: number, folder: string) {
    this.#options = options;
    this.#children = children;
    this.#folder = folder;
  }

  static async start(
    options: FleetOptions,
    counts: { readonly all: number; readonly children: number },
    folder: string,
  ): Promise<Fleet> {
    const fleet = new Fleet(options, counts.children, folder);
    const starts = Array.from({ length: counts.all }, (_, index) => fleet.#start(index));
    try {
      await Promise.all(starts);
    } catch (error) {
      await Promise.allSettled(starts);
      await fleet.stop();
      throw error;
    }
    return fleet;
  }

  /** The URLs of those that run. */
  get urls(): string[] {
    return this.#instances.flatMap((instance) => instance?.url ?? []);
  }

  urlOf(index: number): string | undefined {
    return this.#instances[index]?.url;
  }

  get child(): ChildProcess | undefined {
    return this.#instances[0]?.process;
  }

  /** Kills the first child and starts another in its place. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined) return;
    this.#instances[0] = undefined;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
    await this.#start(0);
  }

  /**
   * Has the first child stand still. Nobody comes to it meanwhile.
   *
   * @param stop stops it
   * @param onStop told where it was reached
   */
  async freeze(
    milliseconds: number,
    stop: (child: ChildProcess) => Promise<void>,
    onStop: (url: string) => void,
  ): Promise<void> {
    const [instance] = this.#instances;
    if (instance?.process === undefined) return;
    this.#instances[0] = undefined;
    try {
      await stop(instance.process);
      onStop(instance.url);
      await elapse(milliseconds);
    } finally {
      instance.process.kill('SIGCONT');
      this.#instances[0] = instance;
    }
  }

  /** Closes an instance as a deployment does, and starts another in its place. */
  async replace(index: number): Promise<void> {
    const instance = this.#instances[index];
    this.#instances[index] = undefined;
    await instance?.close();
    await this.#start(index);
  }

  /** Starts one more, beside those that run; it can be {@link replace}d later. */
  async join(): Promise<void> {
    this.#instances.push(undefined);
    await this.#start(this.#instances.length - 1);
  }

  /** Closes the last one, which has joined. */
  async leave(): Promise<void> {
    await this.#instances.pop()?.close();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#instances.map(async (instance) => instance?.close()));
  }

  async #start(index: number): Promise<void> {
    this.#instances[index] = await (index < this.#children
      ? startChild(this.#folder, this.#options.child)
      : startHere(this.#options.here));
  }
}

/** A folder from which instances can run as processes of their own. */
export async function buildInstance(): Promise<{ folder: string; remove(): Promise<void> }> {
  const copy = await freshCopy();
  await transpile(copy.folder);
  const { code } = await transformFile('test/chaos/instance.ts', {
    swcrc: false,
    jsc: {
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
      target: 'es2022',
    },
    module: { type: 'es6' },
  });
  await writeFile(join(copy.folder, 'instance.js'), code);
  return copy;
}

async function startHere(options: InstanceOptions): Promise<Instance> {
  const app = await startInstance(options);
  return { url: await app.getUrl(), close: () => app.close() };
}

export async function startChild(folder: string, options: InstanceOptions): Promise<Instance> {
  const child = spawn(process.execPath, ['instance.js'], {
    cwd: folder,
    env: { ...process.env, CHAOS_INSTANCE: JSON.stringify(options) },
    // It ends with what it reads from: a test that fails, or is killed itself, leaves none behind.
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.on('error', () => {});
  const lines = createInterface({ input: child.stdout });
  const signal = AbortSignal.timeout(START_TIMEOUT);
  const [line] = (await once(lines, 'line', { signal }).catch((error: unknown) => {
    child.kill('SIGKILL');
    throw error;
  })) as [string];
  return {
    url: line.replace('Listening on ', ''),
    process: child,
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    },
  };
}
