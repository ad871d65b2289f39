import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Controller, Get, Header, Inject, Param, Sse } from '@nestjs/common';
import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { EventBus } from 'nestjs-event-stream';
import { connectEvents } from 'nestjs-event-stream/client';
import { useEvents } from 'nestjs-event-stream/client/react';
import type { Browser } from 'playwright-core';
import { launch, visit } from '../sample/browser.js';
import { onExpress, urlOf } from '../support/each-adapter.js';
import { CHROMIUM, describeWith } from '../support/programs.js';
import { bundle } from './support/bundle.js';

const FILES = await bundle('test/client/support/react-page.ts');

@Controller()
class ReactController {
  constructor(@Inject(EventBus) private readonly bus: EventBus) {}

  @Get()
  @Header('content-type', 'text/html')
  page(): string {
    return '<!doctype html><title>React</title><link rel="icon" href="data:,"><script type="module" src="/client/react-page.js"></script>';
  }

  @Get('client/:file')
  @Header('content-type', 'text/javascript')
  file(@Param('file') file: string): string {
    return FILES.get(file) ?? '';
  }

  @Sse('ticks')
  ticks() {
    return this.bus.stream('ticks');
  }
}

it('useEvents renders on a server, with the state of the beginning', () => {
  const events = connectEvents('http://127.0.0.1:9');
  const Shown = () => createElement('p', null, useEvents(events).state);
  const html = renderToString(createElement(Shown));
  events.close();
  expect(html).toBe('<p>connecting</p>');
});

describeWith(CHROMIUM, 'useEvents in a page', (path) => {
  const bench = onExpress();
  let browser: Browser;

  beforeAll(async () => {
    browser = await launch(path);
  }, 60_000);
  afterAll(() => browser.close());

  it('shows the state and the newest event, and gives every event to its listeners', async () => {
    const app = await bench.start(ReactController);
    const { page, problems } = await visit(browser, urlOf(app));
    await page.getByText('live false 0').waitFor();
    for (let n = 1; n <= 100; n++) {
      await app.get(EventBus).publish('ticks', { type: 'tick', data: { n } });
    }
    await page.getByText('live true 5050').waitFor();
    expect(problems).toEqual([]);
    await page.context().close();
  }, 60_000);
});
