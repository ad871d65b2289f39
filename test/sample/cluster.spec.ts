import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { connectSse, type SseTestClient } from 'nestjs-event-stream/testing';
import { CHROMIUM, describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { launch, visit } from './browser.js';
import { ClockPage } from './clock-page.js';
import { freshCopy, Running, transpile } from './fresh-copy.js';

interface Progress {
  step: number;
}

interface Events {
  welcome: { name: string };
  status: { instance: string; connections: number };
  testEvent: string;
  progress: Progress;
  done: object;
}

const redis = { ...REDIS_SERVER, names: ['redis-server'] };

describeWith(redis, 'the cluster of the sample', () => {
  let copy: Awaited<ReturnType<typeof freshCopy>>;
  let cluster: Running;
  let url: string;

  beforeAll(async () => {
    copy = await freshCopy();
    await transpile(copy.folder);
    const args = ['--enable-source-maps', 'build/cluster.js'];
    cluster = new Running('node', args, copy.folder, { PORT: '0', REDIS_URL: undefined });
    url = (await cluster.prints(/http:\/\/localhost:\d+/)).trim();
  }, 120_000);

  afterAll(async () => {
    cluster.destroy();
    await copy.remove();
  });

  async function connect(lastEventId?: string) {
    const client = await connectSse<Events>(url, `/?browser=${randomUUID()}`, { lastEventId });
    const { name } = (await client.next('welcome')).json();
    const { instance } = (await client.next('status')).json();
    return { client, instance, name };
  }

  function post(path: string): Promise<Response> {
    return fetch(`${url}${path}`, { method: 'POST' });
  }

  it('delivers the same log from both instances', async () => {
    const [one, two] = [await connect(), await connect()];
    expect([one.instance, two.instance].sort()).toEqual(['A', 'B']);
    const [event] = await seriesOf(two.client, 1);
    const same = await eventWith(one.client, event?.lastEventId);
    expect(same).toEqual(event);
    one.client.close();
    two.client.close();
  });

  it('drops a connection on whichever instance it is', async () => {
    for (const { client, name } of [await connect(), await connect(), await connect()]) {
      await post(`/drop/${name}`);
      await client.closed;
    }
  });

  it('loses nothing and repeats nothing when an instance is killed, and starts it again', async () => {
    const { client, instance } = await connect();
    const before = await seriesOf(client, 2);
    await post(`/kill/${instance}`);
    for await (const { type, data, lastEventId } of client) {
      if (type === 'testEvent') before.push({ data, lastEventId });
    }
    const again = await connect(client.lastEventId);
    expect(again.instance).not.toBe(instance);
    const after = await seriesOf(again.client, 3);
    const seconds = [...before, ...after].map(({ data }) => Date.parse(data) / 1_000);
    expect(seconds).toEqual(seconds.map((_, index) => Number(seconds[0]) + index));
    again.client.close();
    const isBack = async () => {
      const next = await connect();
      next.client.close();
      return next.instance === instance;
    };
    await until('the instance is back', isBack, 15_000);
  });

  it('finishes the jobs that were started on either instance when one is killed', async () => {
    const jobs = await Promise.all(
      ['one', 'another'].map(async () => (await (await post('/jobs')).json()) as { id: string }),
    );
    const finished = Promise.all(jobs.map(({ id }) => stepsUntilDone(`/jobs/${id}`)));
    const watched = await connectSse<Events>(url, `/jobs/${jobs[0]?.id}`);
    while ((await watched.next('progress')).json().step < 3);
    watched.close();
    await post('/kill/A');
    for (const steps of await finished) {
      expect(steps.at(-1)).toBe(24);
      expect(steps).toEqual([...new Set(steps)].sort((one, other) => one - other));
    }
  }, 60_000);

  /** As an `EventSource` does, which comes back when its connection breaks off. */
  async function stepsUntilDone(path: string): Promise<number[]> {
    const steps: number[] = [];
    let lastEventId: string | undefined;
    for (;;) {
      const client = await connectSse<Events>(url, path, { lastEventId });
      for await (const event of client) {
        if (event.type === 'done') {
          client.close();
          return steps;
        }
        if (event.type === 'progress') steps.push((JSON.parse(event.data) as Progress).step);
      }
      lastEventId = client.lastEventId;
    }
  }

  describeWith(CHROMIUM, 'in Chromium', (path) => {
    it('shows the instance, and a page that loses it goes on with the other one', async () => {
      const browser = await launch(path);
      try {
        const { page, problems } = await visit(browser, url);
        const clock = new ClockPage(page);
        await clock.receives(2);
        const [, first = ''] = /instance (\w)/.exec(await clock.state) ?? [];
        await page.getByText(`Kill instance ${first}`).click();
        await clock.shows('Reconnecting');
        await clock.shows(`Connected to instance ${first === 'A' ? 'B' : 'A'}`);
        await clock.receives(2);
        await clock.expectNoHole();
        expect(problems).toEqual([]);
      } finally {
        await browser.close();
      }
    }, 60_000);
  });

  it('ends on SIGTERM, and leaves no process behind', async () => {
    const clients = [await connect(), await connect()];
    await cluster.terminate();
    await Promise.all(clients.map(({ client }) => client.closed));
    expect(cluster.isAlive).toBe(false);
  });
});

async function seriesOf(client: SseTestClient<Events>, count: number) {
  const events: { data: string; lastEventId: string }[] = [];
  while (events.length < count) {
    const { data, lastEventId } = await client.next('testEvent');
    events.push({ data, lastEventId });
  }
  return events;
}

/** Passes over what came before. */
async function eventWith(client: SseTestClient<Events>, id: string | undefined) {
  for (;;) {
    const [event] = await seriesOf(client, 1);
    if (event?.lastEventId === id) return event;
  }
}
