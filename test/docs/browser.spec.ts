import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Controller, Get, type MessageEvent, Sse } from '@nestjs/common';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { forceGap } from 'nestjs-event-stream/testing';
import { build } from 'esbuild';
import type { Browser } from 'playwright-core';
import type { Observable } from 'rxjs';
import { type Example, startExample } from '../examples/start-example.js';
import { launch, visit, type Visit } from '../sample/browser.js';
import { onExpress } from '../support/each-adapter.js';
import { CHROMIUM, describeWith } from '../support/programs.js';
import { until } from '../support/until.js';
import { snippetsOf } from './snippets.js';

const root = join(import.meta.dirname, '../..');

/** What a bundler makes of a snippet, as it is written; `then` comes after it. */
async function bundleOf(page: string, file: string, then = ''): Promise<string> {
  const snippets = snippetsOf(page, readFileSync(join(root, page), 'utf8'));
  const code = snippets.find((snippet) => snippet.file === file)?.code;
  if (code === undefined) throw new Error(`${page} has no ${file}`);
  const { outputFiles } = await build({
    stdin: { contents: `${code}\n${then}`, loader: 'ts', resolveDir: join(root, 'examples') },
    bundle: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  });
  return outputFiles[0]?.text ?? '';
}

/** Runs a script in a page of an application's origin. */
async function visitWith(browser: Browser, url: string, script: string): Promise<Visit> {
  const visited = await visit(browser, 'about:blank');
  const { page } = visited;
  const give = (name: string, contentType: string, body: string) =>
    page.route(`${url}/${name}`, (route) => route.fulfill({ contentType, body }));
  await give('favicon.ico', 'image/svg+xml', '');
  await give('snippet.js', 'text/javascript', script);
  await give('page', 'text/html', '<script type="module" src="/snippet.js"></script>');
  await page.goto(`${url}/page`);
  return visited;
}

@Controller('orders')
class ShopController {
  constructor(private readonly bus: EventBus) {}

  @Sse()
  orders(): Observable<MessageEvent> {
    return this.bus.stream('orders');
  }

  @Get('state')
  state(): object {
    return { paid: [7] };
  }
}

describeWith(CHROMIUM, 'the snippets for browsers', (path) => {
  const bench = onExpress();
  const examples: Example[] = [];
  let browser: Browser;

  async function started(name: string): Promise<Example> {
    const example = await startExample(name);
    examples.push(example);
    return example;
  }

  beforeAll(async () => {
    browser = await launch(path);
  });

  afterAll(async () => {
    await browser.close();
    for (const { app } of examples) await app.close();
  });

  it('shows a board that fetches its state again after a gap', async () => {
    const { app, url, post } = await started('orders');
    const script = await bundleOf('docs/delivery.md', 'board.ts', 'window.orders = orders;');
    const { page, logged, problems } = await visitWith(browser, url, script);
    const stateOf = (id: number) => page.evaluate(`window.orders?.get(${id})?.state`);
    await until('it has the state', async () => (await stateOf(7)) === 'open');
    await until('it is connected', () => app.get(SseConnections).count === 1);
    await post('/orders/7/pay');
    await until('it has the change', async () => (await stateOf(7)) === 'paid');
    await page.evaluate(`window.orders.set(8, { id: 8, state: 'made up' })`);
    forceGap(app);
    await until('it has told of the gap', () => logged.length === 1);
    expect(logged).toEqual(['Missed some changes (trimmed): fetching the state again']);
    await until('it has only the state', async () => (await stateOf(8)) === undefined);
    await post('/orders/9/pay');
    await until('it goes on', async () => (await stateOf(9)) === 'paid');
    expect(problems).toEqual([]);
    await page.context().close();
  }, 60_000);

  it('shows orders by the client, and asks for the state after a gap', async () => {
    const app = await bench.start({ controllers: [ShopController] });
    const script = await bundleOf('docs/guide/which-client.md', 'shop-events.ts');
    const { page, logged, problems } = await visitWith(browser, await app.getUrl(), script);
    await until('it is connected', () => app.get(SseConnections).list()[0]?.topics.length === 1);
    const paid = { type: 'paid', data: { id: 7, total: 12 } };
    const id = await app.get(EventBus).publish('orders', paid);
    await until('it has told', () => logged.length === 1);
    forceGap(app);
    await until('it has asked', () => logged.length === 2);
    expect(logged[0]).toBe(`12 ${id}`);
    expect(logged[1]).toContain('paid');
    expect(problems).toEqual([]);
    await page.context().close();
  }, 60_000);

  it('shows feeds of which each tab has its own', async () => {
    const { app, url } = await started('feeds');
    const script = await bundleOf('docs/guide/which-client.md', 'feeds.ts');
    const { page, logged, problems } = await visitWith(browser, url, script);
    await until('it reads', () => app.get(SseConnections).list()[0]?.topics.length === 2);
    const bus = app.get(EventBus);
    const headline = (feed: string, text: string) =>
      bus.publish(`feed.${feed}`, { type: 'headline', data: { feed, text } });
    await headline('weather', 'Sun');
    await headline('news', 'Rain');
    await headline('sports', 'A goal');
    await until('it has shown', () => logged.length === 2);
    expect(logged).toEqual(['news Rain', 'sports A goal']);
    expect(problems).toEqual([]);
    await page.context().close();
  }, 60_000);
});
