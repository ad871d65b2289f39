import { fork } from 'node:child_process';

/** @typedef {{ id?: number, name: string, args: any }} Call */

/** A child process whose functions can be called. */
export class Child {
  #process;
  #nextId = 1;
  /** @type {Map<number, { resolve(value: any): void, reject(error: Error): void }>} */
  #waiting = new Map();
  #exited;

  /**
   * @param {URL} file
   * @param {{ args?: string[], execArgv?: string[] }} [options]
   */
  constructor(file, { args = [], execArgv = [] } = {}) {
    const env = { ...process.env, NODE_ENV: 'production' };
    this.#process = fork(file, args, { execArgv, env });
    this.#process.on('message', (/** @type {any} */ { id, value, error }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(value);
      else waiting?.reject(new Error(error));
    });
    this.#exited = new Promise((resolve) => this.#process.once('exit', resolve));
    void this.#exited.then((code) => {
      for (const { reject } of this.#waiting.values()) {
        reject(new Error(`${file.pathname.split('/').at(-1)} exited with ${code}`));
      }
    });
  }

  /** @returns {Promise<any>} */
  call(name, args = {}) {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#process.send({ id, name, args });
    });
  }

  /** A call without an answer. */
  send(name, args = {}) {
    this.#process.send({ name, args });
  }

  async stop() {
    if (this.#process.exitCode !== null) return;
    this.send('exit');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 10_000);
    await this.#exited;
    clearTimeout(timer);
  }
}

/**
 * The other end of {@link Child}.
 *
 * @param {Record<string, (args: any) => unknown>} functions
 */
export function answerCalls(functions) {
  process.on('message', async (/** @type {Call} */ { id, name, args }) => {
    if (name === 'exit') {
      await functions.exit?.(args);
      process.exit(0);
    }
    if (id === undefined) {
      functions[name](args);
      return;
    }
    try {
      process.send?.({ id, value: await functions[name](args) });
    } catch (error) {
      process.send?.({ id, error: String(error?.stack ?? error) });
    }
  });
  process.on('disconnect', () => process.exit(1));
}

/** Milliseconds on a clock that all processes share, cheap enough for each arrival. */
export const clock = (() => {
  const offset = Number(process.hrtime.bigint()) / 1e6 - performance.now();
  return () => performance.now() + offset;
})();
