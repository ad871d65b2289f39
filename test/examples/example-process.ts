import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import { type AddressInfo, createServer as createSocketServer } from 'node:net';
import { pathToFileURL } from 'node:url';
import { until } from '../support/until.js';

/** An example in a process of its own, which can be killed. */
export class ExampleProcess {
  readonly #child: ChildProcess;

  private constructor(
    child: ChildProcess,
    readonly url: string,
  ) {
    this.#child = child;
  }

  static async start(name: string, env: Readonly<Record<string, string>>): Promise<ExampleProcess> {
    const port = await freePort();
    const main = pathToFileURL(`examples/${name}/main.ts`).href;
    const child = spawn(
      process.execPath,
      [
        ...['--import', pathToFileURL('test/examples/example-hooks.mjs').href],
        ...['--input-type=module', '-e', `await import('${main}')`],
      ],
      { env: { ...process.env, ...env, PORT: `${port}` }, stdio: ['ignore', 'ignore', 'inherit'] },
    );
    const url = `http://127.0.0.1:${port}`;
    await until(`${name} answers`, () => answers(url), 30_000);
    return new ExampleProcess(child, url);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }
}

/** What stands before several instances, and hands every request to the one that it is told to. */
export class LoadBalancer {
  target: ExampleProcess;
  readonly #server: Server;

  private constructor(target: ExampleProcess) {
    this.target = target;
    this.#server = createServer((incoming, outgoing) => {
      const { method, headers, url } = incoming;
      const onward = request(
        new URL(url ?? '/', this.target.url),
        { method, headers },
        (answer) => {
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(outgoing);
          answer.once('error', () => outgoing.destroy());
        },
      );
      outgoing.once('close', () => onward.destroy());
      onward.once('error', () => outgoing.destroy());
      incoming.pipe(onward);
    });
  }

  static async start(target: ExampleProcess): Promise<LoadBalancer> {
    const balancer = new LoadBalancer(target);
    balancer.#server.listen(0, '127.0.0.1');
    await once(balancer.#server, 'listening');
    return balancer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createSocketServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
