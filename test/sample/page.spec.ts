import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Browser } from 'playwright-core';
import { createApp } from '../../sample/app.js';
import { CHROMIUM, describeWith } from '../support/programs.js';
import { ClockPage } from './clock-page.js';
import { launch, portOf, visit } from './browser.js';

describeWith(CHROMIUM, 'the page of the sample', (path) => {
  let browser: Browser;
  let app: NestExpressApplication;
  let port: number;

  async function start(on = 0): Promise<void> {
    app = await createApp({ logger: ['error', 'warn'] });
    await app.listen(on);
    port = portOf(app);
  }

  beforeAll(async () => {
    browser = await launch(path);
  }, 60_000);
  afterAll(() => browser.close());
  beforeEach(() => start());
  afterEach(() => app.close());

  it('shows what arrives; a dropped connection loses nothing and repeats nothing', async () => {
    const { page, problems } = await visit(browser, `http://localhost:${port}`);
    const clock = new ClockPage(page);
    await clock.receives(2);
    expect(await clock.state).toBe('Connected');
    const [known = ''] = await clock.column(3);

    await page.click('#drop');
    await clock.shows('Reconnecting');
    await clock.shows('Connected');
    await clock.receives(2);

    const requested = /Last-Event-ID: \S+\.(\d+)/.exec(await clock.text('events'))?.[1];
    expect(Number(requested)).toBeGreaterThanOrEqual(Number(known.split('.')[1]));
    expect(await clock.figure('replayed')).toBeGreaterThan(0);
    await clock.expectNoHole();
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it('tells of a gap when the server has started anew, and goes on', async () => {
    const { page } = await visit(browser, `http://localhost:${port}`);
    const clock = new ClockPage(page);
    await clock.receives(1);
    await app.close();
    await start(port);
    await page.getByText('Gap (epoch)').waitFor();
    await clock.receives(1);
    expect(await clock.figure('missed')).toBe(0);
    await page.context().close();
  });
});
