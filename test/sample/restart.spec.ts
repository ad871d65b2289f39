import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { connectSse } from 'nestjs-event-stream/testing';
import { CHROMIUM, describeWith } from '../support/programs.js';
import { launch, visit } from './browser.js';
import { ClockPage } from './clock-page.js';
import { freshCopy, Running, transpile } from './fresh-copy.js';

interface Events {
  welcome: { resumedAfter?: string };
  testEvent: string;
}

describe('the sample with SSE_FILE', () => {
  let copy: Awaited<ReturnType<typeof freshCopy>>;
  let sample: Running;
  let url: string;

  beforeAll(async () => {
    copy = await freshCopy();
    await transpile(copy.folder);
  }, 60_000);

  afterEach(() => sample.destroy());

  afterAll(() => copy.remove());

  async function start(file: string, port = '0'): Promise<void> {
    const env = { PORT: port, REDIS_URL: undefined, SSE_FILE: join(copy.folder, file) };
    sample = new Running('node', ['build/main.js'], copy.folder, env);
    [url = ''] = /http:\S+\d/.exec(await sample.prints(/Open http:\S+/)) ?? [];
  }

  async function restart(file: string): Promise<void> {
    await sample.terminate();
    await start(file, new URL(url).port);
  }

  it('goes on over a restart: what a client missed comes, without a gap, and the clock has not stopped', async () => {
    await start('stream.db');
    const begun = Date.now();
    const client = await connectSse<Events>(url, '/');
    // The first seconds of a new file are of the minute before.
    let { data: seen, lastEventId } = await client.next('testEvent');
    while (Date.parse(seen) < begun) ({ data: seen, lastEventId } = await client.next('testEvent'));
    client.close();
    const watcher = await connectSse<Events>(url, '/');
    const { data: missed } = await watcher.next('testEvent');
    watcher.close();
    await restart('stream.db');
    const again = await connectSse<Events>(url, '/', { lastEventId });
    expect((await again.next()).json()).toMatchObject({ resumedAfter: lastEventId });
    const first = secondOf(seen) + 1;
    for (let second = first; second <= secondOf(missed) + 3; second++) {
      const { type, data } = await again.next();
      expect([type, secondOf(data)]).toEqual(['testEvent', second]);
    }
    again.close();
  }, 30_000);

  describeWith(CHROMIUM, 'in Chromium', (path) => {
    it('shows a page that resumed over the restart', async () => {
      await start('page.db');
      const browser = await launch(path);
      try {
        const { page } = await visit(browser, url);
        const clock = new ClockPage(page);
        await clock.receives(2);
        // The page comes back only when the new server has published what is missing.
        let comeBack = () => {};
        const isBack = new Promise<void>((resolve) => (comeBack = resolve));
        await page.route('**/?browser=*', async (route) => {
          await isBack;
          await route.continue();
        });
        await restart('page.db');
        const watcher = await connectSse<Events>(url, '/');
        await watcher.next('testEvent');
        watcher.close();
        comeBack();
        await clock.receives(4);
        await clock.shows('Connected');
        await clock.expectNoHole();
        expect(await clock.figure('replayed')).toBeGreaterThan(0);
        const notes = await page.locator('#events').innerText();
        expect(notes).toContain('Last-Event-ID: ');
        expect(notes).not.toContain('Gap');
      } finally {
        await browser.close();
      }
    }, 60_000);
  });
});

function secondOf(timestamp: string): number {
  return Date.parse(timestamp) / 1_000;
}
