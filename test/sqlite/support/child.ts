import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll } from '@jest/globals';
import { transformFile } from '@swc/core';
import type { SqliteBackplaneOptions } from 'nestjs-event-stream/sqlite';
import { freshCopy, transpile } from '../../sample/fresh-copy.js';
import { until } from '../../support/until.js';

/** A function that starts processes, none of which outlives the test. */
export function publishingProcesses(): (
  name: string,
  options: SqliteBackplaneOptions,
) => PublishingProcess {
  const started: PublishingProcess[] = [];
  let copy: { readonly folder: string; remove(): Promise<void> } | undefined;

  beforeAll(async () => {
    copy = await freshCopy();
    await transpile(copy.folder);
    const { code } = await transformFile('test/sqlite/support/publisher.ts', {
      swcrc: false,
      jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
      module: { type: 'es6' },
    });
    await writeFile(join(copy.folder, 'publisher.js'), code);
  });

  afterEach(async () => {
    await Promise.all(started.splice(0).map((each) => each.kill()));
  });

  afterAll(() => copy?.remove());

  return (name, options) => {
    const process = new PublishingProcess(copy?.folder ?? '', name, options);
    started.push(process);
    return process;
  };
}

/** A process that publishes without an end, and what it was told is in the log. */
export class PublishingProcess {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  #output = '';
  #count = 0;

  constructor(folder: string, name: string, options: SqliteBackplaneOptions) {
    this.#child = spawn(process.execPath, ['publisher.js'], {
      cwd: folder,
      env: { ...process.env, SQLITE_PUBLISHER: JSON.stringify({ ...options, name }) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#exit = once(this.#child, 'close');
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
      this.#count += text.split('\n').length - 1;
    });
  }

  /** Text and cursor of each event that was acknowledged. */
  get acknowledged(): readonly { readonly text: string; readonly cursor: string }[] {
    const lines = this.#output.split('\n').slice(0, -1);
    return lines.map((line) => {
      const [text = '', cursor = ''] = line.split(' ');
      return { text, cursor };
    });
  }

  /** Resolves when so many events were acknowledged. */
  hasPublished(count: number): Promise<void> {
    return until(
      `${count} events are acknowledged`,
      () => {
        if (this.#child.exitCode !== null) throw new Error('The process has ended');
        return this.#count >= count;
      },
      20_000,
    );
  }

  /** What was acknowledged before is in `acknowledged` when this resolves. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exit;
  }
}
