import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { spawnTethered } from '../../support/tethered.js';
import { until } from '../../support/until.js';

/** A redis-server of the test's own: on a free port of the loopback interface, with nothing on disk. */
export class RedisServer {
  readonly #path: string;
  readonly #arguments: readonly string[];
  readonly #folder = mkdtempSync(join(tmpdir(), 'nes-redis-'));
  #process: ChildProcess | undefined;
  #control: Redis | undefined;
  #isStopped = false;

  private constructor(
    path: string,
    readonly port: number,
    args: readonly string[],
  ) {
    this.#path = path;
    this.#arguments = args;
  }

  /** @param args further arguments, such as `['--appendonly', 'yes']` */
  static async start(path: string, args: readonly string[] = []): Promise<RedisServer> {
    const server = new RedisServer(path, await freePort(), args);
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** A client for looking into the server and for doing things to it. */
  get control(): Redis {
    if (this.#control === undefined) throw new Error('The redis-server does not run');
    return this.#control;
  }

  /** Starts it again after {@link kill}, with what it has on disk: nothing, unless `args` said so. */
  async start(): Promise<void> {
    this.#process = spawnTethered(this.#path, [
      ...['--port', `${this.port}`, '--bind', '127.0.0.1', '--dir', this.#folder],
      // By default it waits 5 s for further replicas.
      ...['--save', '', '--repl-diskless-sync-delay', '0', '--loglevel', 'warning'],
      ...this.#arguments,
    ]);
    const control = new Redis(this.port, '127.0.0.1', {
      connectionName: 'test',
      retryStrategy: () => 20,
      maxRetriesPerRequest: null,
    });
    control.on('error', () => {});
    this.#control = control;
    await until('redis-server answers', async () => Boolean(await control.ping()));
  }

  /** Ends it at once, as a crash does. */
  async kill(): Promise<void> {
    this.#control?.disconnect();
    this.#control = undefined;
    const child = this.#process;
    this.#process = undefined;
    if (child?.exitCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }

  /** Lets it hang: it takes connections and answers nothing. */
  pause(): void {
    this.#process?.kill('SIGSTOP');
    this.#isStopped = true;
  }

  resume(): void {
    if (!this.#isStopped) return;
    this.#process?.kill('SIGCONT');
    this.#isStopped = false;
  }

  /** Its connections, but for {@link control}: their ids and names. */
  async clients(): Promise<{ id: number; name: string }[]> {
    const list = (await this.control.client('LIST')) as string;
    return list
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => ({
        id: Number(/\bid=(\d+)/.exec(line)?.[1]),
        name: /\bname=(\S*)/.exec(line)?.[1] ?? '',
      }))
      .filter(({ name }) => name !== 'test');
  }

  /** Closes the server's side of all connections of that name. */
  async killClients(name: string): Promise<void> {
    const ids = (await this.clients()).filter((client) => client.name.endsWith(name));
    await Promise.all(ids.map(({ id }) => this.control.client('KILL', 'ID', id)));
  }

  /** Puts keys back to what they were before `work`, as a failover to a replica that lagged does. */
  async takeBack(names: readonly string[], work: () => Promise<void>): Promise<void> {
    const dumps = await Promise.all(names.map((name) => this.control.dumpBuffer(name)));
    await work();
    const restore = this.control.multi();
    for (const [index, name] of names.entries()) {
      restore.restore(name, 0, dumps[index] ?? '', 'REPLACE');
    }
    await restore.exec();
    await this.killClients(':publish');
    await this.killClients(':read');
  }

  /** Writes an entry that is no event to a stream, with an id that much later: what follows is as late. */
  async pass(stream: string, milliseconds: number): Promise<void> {
    const last = (await this.control.xrevrange(stream, '+', '-', 'COUNT', 1))[0]?.[0] ?? '0-0';
    await this.control.xadd(stream, `${Number.parseInt(last, 10) + milliseconds}-0`, 'not', 'ours');
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    this.resume();
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
