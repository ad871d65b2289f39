// What docs/guide/beside.md says of nestjs-cls and @nestjs/throttler.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { connectSse, type SseTestClient } from 'nestjs-event-stream/testing';
import { build } from '../model/build.js';
import type { Urls } from './commonjs.server.js';

describe.each(['express', 'fastify'])('on %s', (adapter) => {
  const clients: SseTestClient[] = [];
  const connect = async (url: string, path: string, headers = {}) => {
    const client = await connectSse(url, path, { headers });
    clients.push(client);
    return client;
  };

  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });

  it('nestjs-cls: identify, guard, handler and operators have the store of their own request', async () => {
    const url = urlOf('cls', adapter);
    const ada = await connect(url, '/named', { user: 'ada' });
    const bob = await connect(url, '/named', { user: 'bob' });
    const answer = await fetch(`${url}/news`, { method: 'POST', headers: { user: 'eve' } });
    expect(await answer.text()).toBe('eve');
    for (const [client, user] of [[ada, 'ada'] as const, [bob, 'bob'] as const]) {
      const { data } = await client.next();
      const seen = JSON.parse(data) as Record<string, string>;
      expect(seen).toEqual({
        owner: user,
        guard: user,
        handler: user,
        operator: user,
        later: user,
      });
    }
  });

  it('@nestjs/throttler: 429 is an answer that an EventSource never comes back after', async () => {
    const url = urlOf('throttled', adapter);
    expect((await connect(url, '/news')).status).toBe(200);
    const refused = await connect(url, '/news');
    expect([refused.status, refused.headers['content-type']]).toEqual([
      429,
      expect.stringMatching(/^application\/json/),
    ]);
  });

  it('@nestjs/throttler: with skipIf() streams are left to `limits`, which has clients come back', async () => {
    const url = urlOf('limited', adapter);
    const open = [await connect(url, '/news'), await connect(url, '/news')];
    expect(open.map(({ status }) => status)).toEqual([200, 200]);
    const refused = await connect(url, '/news');
    await refused.closed;
    expect(refused.status).toBe(200);
    expect(refused.retry).toBeGreaterThan(5_000);
    const plain = async () => (await fetch(`${url}/plain`)).status;
    expect([await plain(), await plain()]).toEqual([200, 429]);
  });
});

let server: ChildProcess;
let folder: string;
let urls: Urls;

beforeAll(async () => {
  folder = mkdtempSync(join(process.cwd(), 'test', '.built-'));
  build(['src', 'test/beside/commonjs.server.ts'], folder);
  server = fork(join(folder, 'test/beside/commonjs.server.js'));
  [urls] = (await once(server, 'message')) as [Urls];
});

afterAll(async () => {
  server.disconnect();
  await once(server, 'exit');
  rmSync(folder, { recursive: true, force: true });
});

function urlOf(application: string, adapter: string): string {
  return urls[`${application} ${adapter}`] ?? '';
}
