import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { connectSse } from 'nestjs-event-stream/testing';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { freshCopy, Running } from './fresh-copy.js';

const redis = { ...REDIS_SERVER, names: ['redis-server'] };

describeWith(redis, 'npm start and npm run start:cluster, at once in one checkout', () => {
  let copy: Awaited<ReturnType<typeof freshCopy>>;
  let sample: Running;
  let cluster: Running;

  beforeAll(async () => {
    copy = await freshCopy();
    const env = { PORT: '0', REDIS_URL: undefined };
    sample = new Running('npm', ['start'], copy.folder, env);
    cluster = new Running('npm', ['run', 'start:cluster'], copy.folder, env);
  });

  afterAll(async () => {
    sample.destroy();
    cluster.destroy();
    await copy.remove();
  });

  it('both serve', async () => {
    for (const running of [sample, cluster]) {
      const client = await connectSse(await addressOf(running), '/');
      await client.next('testEvent');
      client.close();
    }
  }, 120_000);

  it('an instance of the cluster finds its files while the other one is built once more', async () => {
    const url = await addressOf(cluster);
    const builds = () => readdirSync(join(copy.folder, 'build')).length;
    const before = builds();
    const again = new Running('npm', ['start'], copy.folder, { PORT: '0' });
    try {
      await until('it is being built', () => builds() > before, 30_000);
      await fetch(`${url}/kill/A`, { method: 'POST' });
      await cluster.prints(/Instance A has ended/);
      await until('instance A is back', async () => (await instanceAt(url)) === 'A', 30_000);
      await addressOf(again);
      expect(cluster.output.match(/Instance A has ended/g)).toHaveLength(1);
    } finally {
      again.destroy();
    }
  }, 120_000);
});

async function addressOf(running: Running): Promise<string> {
  const [url = ''] = /http:\S+\d/.exec(await running.prints(/Open http:\S+/)) ?? [];
  return url;
}

async function instanceAt(url: string): Promise<string> {
  const client = await connectSse<{ status: { instance: string } }>(url, '/?browser=test');
  const { instance } = (await client.next('status')).json();
  client.close();
  return instance;
}
