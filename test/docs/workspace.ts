import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { transformSync } from '@swc/core';
import type { Snippet } from './snippets.js';

/** What an application installs beside the package. */
const INSTALLED = [
  '@jest',
  '@nestjs',
  'better-sqlite3',
  'eventsource-parser',
  'ioredis',
  'reflect-metadata',
  'rxjs',
];

/** A running program, and what it has printed. */
export class Program {
  readonly #child: ChildProcess;
  readonly ended: Promise<number | null>;
  output = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    this.ended = new Promise((end) => child.once('close', end));
    const read = (chunk: unknown) => {
      this.output += String(chunk);
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
  }

  /** The next message of the program. */
  async message(): Promise<unknown> {
    const [message] = (await this.#orEnd(once(this.#child, 'message'))) as unknown[];
    return message;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }

  async #orEnd<T>(wanted: Promise<T>): Promise<T> {
    const end = this.ended.then((code) => {
      throw new Error(`The program ended with ${String(code)}:\n${this.output}`);
    });
    return Promise.race([wanted, end]);
  }
}

/** A folder of its own in which snippets run as ES modules in plain Node, with the package installed. */
export class Workspace {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'snippets-')));
  readonly #programs: Program[] = [];

  constructor(root: string) {
    const modules = join(this.folder, 'node_modules');
    const own = join(modules, 'nestjs-event-stream');
    mkdirSync(own, { recursive: true });
    for (const name of INSTALLED)
      symlinkSync(join(root, 'node_modules', name), join(modules, name));
    cpSync(join(root, 'package.json'), join(own, 'package.json'));
    this.#transpile(join(root, 'src'), join(own, 'dist'));
    writeFileSync(join(this.folder, 'package.json'), '{ "type": "module" }');
  }

  add({ file, code }: Pick<Snippet, 'file' | 'code'>): void {
    this.#write(join(this.folder, file), code);
  }

  /** Runs a file of the folder. */
  run(file: string, env: NodeJS.ProcessEnv = {}): Program {
    const program = new Program(
      fork(join(this.folder, file), {
        cwd: this.folder,
        execArgv: [],
        silent: true,
        env: { ...process.env, ...env, NO_COLOR: '1', FORCE_COLOR: '0' },
      }),
    );
    this.#programs.push(program);
    return program;
  }

  async remove(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.kill()));
    rmSync(this.folder, { recursive: true, force: true });
  }

  #transpile(from: string, to: string): void {
    const files = readdirSync(from, { recursive: true, encoding: 'utf8' });
    for (const path of files.filter((name) => name.endsWith('.ts')))
      this.#write(join(to, path), readFileSync(join(from, path), 'utf8'));
  }

  #write(path: string, code: string): void {
    const { code: transpiled } = transformSync(code, {
      configFile: false,
      swcrc: false,
      jsc: {
        parser: { syntax: 'typescript', decorators: true },
        transform: { legacyDecorator: true, decoratorMetadata: true },
        target: 'es2022',
      },
      module: { type: 'es6' },
    });
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path.replace(/\.ts$/, '.js'), transpiled);
  }
}
