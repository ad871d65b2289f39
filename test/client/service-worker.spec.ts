import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Controller, Get, Header, Inject, Param, Sse } from '@nestjs/common';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import type { Browser } from 'playwright-core';
import { launch, visit } from '../sample/browser.js';
import { onExpress, urlOf } from '../support/each-adapter.js';
import { CHROMIUM, describeWith } from '../support/programs.js';
import { until } from '../support/until.js';
import { bundle } from './support/bundle.js';

const FILES = await bundle();

const PAGE = `<!doctype html><title>Service worker</title><link rel="icon" href="data:,"><p>0</p><script type="module">
  let sum = 0;
  navigator.serviceWorker.onmessage = ({ data }) => {
    document.querySelector('p').textContent = sum += data.n;
  };
  await navigator.serviceWorker.register('/worker.js', { type: 'module' });
  (await navigator.serviceWorker.ready).active.postMessage('connect');
</script>`;

// `share` loads a module, which a service worker may not: it goes on with a connection of its own.
const WORKER = `
  import { connectEvents } from '/client/index.js';
  let events;
  onmessage = ({ source }) => {
    events ??= connectEvents('/ticks', { share: true });
    events.on('tick', ({ data }) => source.postMessage(data));
  };
`;

@Controller()
class ServiceWorkerController {
  constructor(@Inject(EventBus) private readonly bus: EventBus) {}

  @Get()
  @Header('content-type', 'text/html')
  page(): string {
    return PAGE;
  }

  @Get('worker.js')
  @Header('content-type', 'text/javascript')
  worker(): string {
    return WORKER;
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

describeWith(CHROMIUM, 'a service worker', (path) => {
  const bench = onExpress();
  let browser: Browser;

  beforeAll(async () => {
    browser = await launch(path);
  }, 60_000);
  afterAll(() => browser.close());

  it('may be the client, and hand every event to its pages, over connections that end', async () => {
    const app = await bench.start({
      controllers: [ServiceWorkerController],
      sse: { retry: { min: 50, max: 100 } },
    });
    const { page, problems } = await visit(browser, urlOf(app));
    const isConnected = () =>
      until('a connection', () => app.get(SseConnections).count === 1, 15_000);
    let n = 0;
    for (let round = 0; round < 3; round++) {
      await isConnected();
      while (n % 20 < 10 || n === 0) {
        await app.get(EventBus).publish('ticks', { type: 'tick', data: { n: ++n } });
      }
      app.get(SseConnections).close();
      while (n % 20 !== 0) {
        await app.get(EventBus).publish('ticks', { type: 'tick', data: { n: ++n } });
      }
    }
    await page.getByText(String((n * (n + 1)) / 2)).waitFor();
    expect(problems).toEqual([]);
    await page.context().close();
  }, 60_000);
});
