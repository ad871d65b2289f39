import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ConflictException, type INestApplication } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { SseInspectorModule } from 'nestjs-event-stream/inspector';
import { SseRuns, SseRunsModule } from 'nestjs-event-stream/runs';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { throwError } from 'rxjs';
import { launch, visit } from '../sample/browser.js';
import { Bench, urlOf } from '../support/each-adapter.js';
import { CHROMIUM, describeWith } from '../support/programs.js';
import { until } from '../support/until.js';
import { Routes } from './routes.js';

const HOSTILE = `<img src=x onerror="document.title='taken'"></script><script>document.title='taken'</script>`;

/** Pixels that the page is wider than the window. */
const OVERFLOW = 'document.documentElement.scrollWidth - innerWidth';
/** Pixels of the tallest button: one of which letters stand below each other is taller. */
const TALLEST = `Math.max(...[...document.querySelectorAll('button')].map(({ offsetHeight }) => offsetHeight))`;
/** The least contrast of a text to what is behind it, by WCAG 2.2. */
const CONTRAST = `(() => {
  const rgb = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => rgb(color).slice(0, 3)
    .map((each) => (each / 255 <= 0.04045 ? each / 255 / 12.92 : ((each / 255 + 0.055) / 1.055) ** 2.4))
    .reduce((sum, each, at) => sum + each * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (let each = element; each !== null; each = each.parentElement) {
      const { backgroundColor } = getComputedStyle(each);
      if (rgb(backgroundColor)[3] !== 0) return backgroundColor;
    }
    return 'rgb(255, 255, 255)';
  };
  const texts = [...document.querySelectorAll('body *')].filter((each) =>
    each.checkVisibility() && [...each.childNodes].some(({ nodeType, data }) => nodeType === 3 && data.trim() !== ''));
  return Math.min(...texts.map((each) => {
    const [low, high] = [light(getComputedStyle(each).color), light(behind(each))].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  }));
})()`;

describeWith(CHROMIUM, 'the page of the inspector', (path) => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launch(path);
  }, 60_000);

  afterAll(() => browser.close());

  describe.each([
    ['Express', new Bench(() => new ExpressAdapter())],
    ['Fastify', new Bench(() => new FastifyAdapter())],
  ])('on %s', (_, bench) => {
    afterEach(() => bench.stop());

    const start = () => {
      const history = { topics: [{ match: '**', keepFor: 60_000, keepEvents: 10 }] };
      return bench.start({
        sse: { history, identify: () => ({ owner: HOSTILE }) },
        controllers: [Routes],
        imports: [SseInspectorModule.forRoot({ runs: SseRuns }), SseRunsModule.forRoot()],
      });
    };
    const open = async (app: INestApplication, options?: BrowserContextOptions) => {
      const visited = await visit(browser, `${urlOf(app)}/_events`, options);
      await visited.page.getByText('connected', { exact: true }).waitFor();
      return visited;
    };

    it('shows what users made as text, publishes, finds and closes', async () => {
      const app = await start();
      const client = await bench.connect(app, `/news/${encodeURIComponent(HOSTILE)}?token=x`);
      const bus = app.get(EventBus);
      await app.get(SseRuns).start(HOSTILE, () => throwError(() => new ConflictException(HOSTILE)));
      await bus.publish([HOSTILE, 'other'], { type: 'said', data: HOSTILE, key: HOSTILE });
      const { page, problems } = await open(app);
      for (const id of ['connections', 'topics', 'tail', 'runs']) {
        await page.locator(`#${id}`).getByText(HOSTILE).first().waitFor();
      }
      await publish(page, { topic: HOSTILE, type: 'test', data: JSON.stringify({ a: HOSTILE }) });
      await page.getByText(/^Published as/).waitFor();
      expect((await client.next('test')).data).toBe(JSON.stringify({ a: HOSTILE }));
      await page.locator('#tail').getByText('test', { exact: true }).waitFor();
      await publish(page, { topic: '$runs', type: '', data: '1' });
      await page.locator('#published.bad').waitFor();

      await page.fill('#find', 'nobody has this');
      await page.getByText('No stream is open, or none is found.').waitFor();
      await page.fill('#find', 'onerror');
      await page.locator('#connections').getByText('Close', { exact: true }).click();
      await page.locator('#connections').getByText('Really close').click();
      await client.closed;
      await page.locator('#ends').getByText('closed', { exact: true }).waitFor();
      expect(app.get(SseConnections).count).toBe(0);

      expect(await page.title()).toBe('Event streams');
      expect(await page.evaluate(`document.querySelectorAll('img, body script').length`)).toBe(0);
      // That of the request that was refused.
      expect(problems.filter((each) => !each.includes('400 (Bad Request)'))).toEqual([]);
      await page.context().close();
    }, 60_000);

    it('has no place for runs where there are none', async () => {
      const app = await bench.start({
        controllers: [Routes],
        imports: [SseInspectorModule.forRoot()],
      });
      const { page, problems } = await open(app);
      await page.getByText('No stream is open, or none is found.').waitFor();
      expect(await page.locator('#runs-section').isVisible()).toBe(false);
      expect(problems).toEqual([]);
      await page.context().close();
    }, 60_000);

    it('shows the log as it grows, each event once, however its answers come', async () => {
      const app = await start();
      const { page } = await open(app);
      const bus = app.get(EventBus);
      const shown = () => page.locator('#tail .data').allTextContents();
      let release = () => {};
      const released = new Promise<void>((resolve) => (release = resolve));
      let held = 0;
      await bus.publish('news', { data: 0 });
      await until('it is shown', async () => (await shown()).length === 1);
      await page.route('**/state?*', async (route) => {
        const response = await route.fetch();
        held++;
        await released;
        await route.fulfill({ response });
      });
      await bus.publish('news', { data: 1 });
      for (const find of ['n', 'ne', 'new']) await page.fill('#find', find);
      await until('three answers are on their way', () => held >= 3);
      release();
      await until('it is shown', async () => (await shown()).length > 1);
      await page.unrouteAll({ behavior: 'wait' });
      await page.click('#pause');
      await page.getByText('Go on').waitFor();
      await bus.publish('news', { data: 2 });
      await page.click('#pause');
      await until('it goes on', async () => (await shown())[0] === '2');
      expect(await shown()).toEqual(['2', '1', '0']);
      await page.context().close();
    }, 60_000);
  });

  describe('on any adapter', () => {
    const bench = new Bench(() => new ExpressAdapter());
    afterEach(() => bench.stop());

    it.each([
      ['light', 1280],
      ['dark', 1280],
      ['light', 390],
      ['dark', 390],
    ] as const)(
      'is legible: %s, %i px',
      async (colorScheme, width) => {
        const app = await bench.start({
          sse: { identify: () => ({ owner: 'ada@example.com' }) },
          controllers: [Routes],
          imports: [SseInspectorModule.forRoot()],
        });
        await bench.connect(app, '/news/orders.7');
        await bench.connect(app, `/news/${'long'.repeat(40)}`);
        await app.get(EventBus).publish('orders.7', { type: 'shipped', data: { id: 7 }, key: '7' });
        await app.get(EventBus).publish('orders.8', { data: 'x'.repeat(900) });
        const viewport = { width, height: 900 };
        const { page } = await visit(browser, `${urlOf(app)}/_events`, { colorScheme, viewport });
        await page.locator('#connections').getByText('ada@example.com').first().waitFor();
        expect(await page.evaluate(OVERFLOW)).toBeLessThanOrEqual(0);
        expect(await page.evaluate(TALLEST)).toBeLessThanOrEqual(60);
        expect(await page.evaluate(CONTRAST)).toBeGreaterThanOrEqual(4.5);
        const folder = process.env['SCREENSHOTS'];
        if (folder !== undefined) {
          await page.screenshot({ path: `${folder}/${colorScheme}-${width}.png`, fullPage: true });
        }
        await page.context().close();
      },
      60_000,
    );
  });
});

async function publish(page: Page, fields: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, value] of Object.entries(fields)) await page.fill(`[name=${name}]`, value);
  await page.locator('#publish button').click();
}
