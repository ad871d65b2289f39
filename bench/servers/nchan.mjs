import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nchanConfiguration } from '../lib/nchan-configuration.mjs';
import { serve } from '../lib/serve.mjs';

/**
 * nchan as its README says for EventSource clients: `nchan_subscriber eventsource`, and a publisher that
 * is another location, to which this process posts over one kept connection. One worker, as each of the
 * others is one process; what is measured is that worker, its HTTP requests for publishing included.
 */
serve(async () => {
  const directory = mkdtempSync(join(tmpdir(), 'nchan-'));
  const port = await freePort();
  const file = join(directory, 'nginx.conf');
  writeFileSync(file, nchanConfiguration(directory, port));
  const nginx = spawn('nginx', ['-p', directory, '-c', file], { stdio: 'ignore' });
  const publisher = await connectTo(port);
  publisher.resume();
  const worker = readFileSync(`/proc/${nginx.pid}/task/${nginx.pid}/children`, 'utf8').trim();
  return {
    port,
    publish(topic, event) {
      const body = JSON.stringify(event);
      publisher.write(
        `POST /publish/${topic} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    },
    // Nanoseconds that the scheduler gave to the worker.
    cpu: () => Number(readFileSync(`/proc/${worker}/schedstat`, 'utf8').split(' ')[0]) / 1e6,
    memory() {
      const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${worker}/status`, 'utf8'))?.[1];
      return { rss: Number(kilobytes) * 1_024, heap: NaN };
    },
    async stop() {
      publisher.destroy();
      nginx.kill('SIGTERM');
      await once(nginx, 'exit');
      rmSync(directory, { recursive: true, force: true });
    },
  };
});

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function connectTo(port) {
  for (let attempt = 0; attempt < 100; attempt++) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const isConnected = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    if (isConnected) return socket;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('nginx does not listen');
}
