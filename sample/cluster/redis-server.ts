import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createInterface } from 'node:readline';

/** A Redis that keeps nothing on disk and ends with this process. */
export class RedisServer {
  /** Resolves when it has ended, by whoever's doing. */
  readonly ended: Promise<unknown>;

  private constructor(
    private readonly process: ChildProcess,
    readonly url: string,
  ) {
    this.ended = once(process, 'exit');
  }

  static async start(): Promise<RedisServer> {
    const port = await freePort();
    const options = { port, bind: '127.0.0.1', save: '', appendonly: 'no' };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    child.once('error', () => {
      console.error(
        'redis-server is not on the PATH. Install it (on Debian and Ubuntu: apt-get install redis-server), ' +
          'or name a Redis that runs: REDIS_URL=redis://127.0.0.1:6379 npm run start:cluster',
      );
      process.exit(1);
    });
    const server = new RedisServer(child, `redis://127.0.0.1:${port}`);
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.includes('Ready to accept connections')) break;
    }
    child.stdout.resume();
    return server;
  }

  async stop(): Promise<void> {
    this.process.kill('SIGTERM');
    await this.ended;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
