import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectSse } from 'nestjs-event-stream/testing';
import { freshCopy, Running } from './fresh-copy.js';

describe('npm start, with nothing built', () => {
  let copy: Awaited<ReturnType<typeof freshCopy>>;
  let sample: Running;
  let port: number;

  beforeAll(async () => {
    copy = await freshCopy();
    port = await freePort();
    sample = new Running('npm', ['start'], copy.folder, { PORT: String(port) });
    await sample.prints(/Open http:\S+/);
  }, 120_000);

  afterAll(async () => {
    sample.destroy();
    await copy.remove();
  });

  it('serves the page and the stream on PORT', async () => {
    expect(sample.output).toContain(`Open http://localhost:${port}`);
    const page = await fetch(`http://localhost:${port}`, { headers: { accept: 'text/html' } });
    expect(await page.text()).toContain('page.js');
    const library = await fetch(`http://localhost:${port}/client/index.js`);
    expect(library.headers.get('content-type')).toContain('text/javascript');
    expect(await library.text()).toContain('connect-events.js');
    const client = await connectSse(`http://localhost:${port}`, '/');
    expect(Date.parse((await client.next('testEvent')).data)).toBeGreaterThan(0);
    client.close();
  });

  it('ends on SIGTERM with open streams, and a socket that has not asked anything', async () => {
    const clients = await Promise.all(
      Array.from({ length: 3 }, () => connectSse(`http://localhost:${port}`, '/')),
    );
    const idle = connect(port, 'localhost').on('error', () => {});
    await once(idle, 'connect');
    // Less than the 5 s after which Node closes idle sockets, and drain gives up.
    expect(await sample.terminate()).toBeLessThan(4_000);
    await Promise.all(clients.map((client) => client.closed));
    await expect(fetch(`http://localhost:${port}`)).rejects.toThrow();
  });
});

it('npm start keeps the events in SSE_FILE', async () => {
  const copy = await freshCopy();
  const env = { PORT: '0', SSE_FILE: join(copy.folder, 'events.db') };
  const sample = new Running('npm', ['start'], copy.folder, env);
  try {
    const [url = ''] = /http:\S+\d/.exec(await sample.prints(/Open http:\S+/)) ?? [];
    const client = await connectSse(url, '/');
    await client.next('testEvent');
    client.close();
    expect(existsSync(env.SSE_FILE)).toBe(true);
  } finally {
    sample.destroy();
    await copy.remove();
  }
}, 120_000);

async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
