import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const MAIN = join(import.meta.dirname, '..', 'main.js');
/** Milliseconds until an instance that has ended is started again. */
const RESTART_AFTER = 1_000;

/** One instance of the sample, in a process of its own, which is started again when it ends. */
export class Instance {
  /** Where it listens; undefined while it does not. */
  port: number | undefined;
  readonly isReady: Promise<void>;
  #process: ChildProcess;
  #restart: NodeJS.Timeout | undefined;
  #isStopping = false;
  #onReady: () => void = () => {};

  constructor(
    readonly name: string,
    private readonly redisUrl: string,
  ) {
    this.isReady = new Promise((resolve) => (this.#onReady = resolve));
    this.#process = this.#start();
  }

  /** Ends it as a crash would: no goodbye to anybody. */
  kill(): void {
    this.#process.kill('SIGKILL');
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#restart);
    const { exitCode, signalCode } = this.#process;
    if (exitCode !== null || signalCode !== null) return;
    this.#process.kill('SIGTERM');
    await once(this.#process, 'exit');
  }

  #start(): ChildProcess {
    const env = { ...process.env, PORT: '0', INSTANCE: this.name, REDIS_URL: this.redisUrl };
    const child = fork(MAIN, { env });
    child.on('message', (port) => {
      this.port = Number(port);
      this.#onReady();
    });
    child.once('exit', () => {
      this.port = undefined;
      if (this.#isStopping) return;
      console.log(`Instance ${this.name} has ended; it is started again.`);
      this.#restart = setTimeout(() => (this.#process = this.#start()), RESTART_AFTER);
    });
    return child;
  }
}
