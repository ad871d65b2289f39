import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { SseConnections } from 'nestjs-event-stream';
import type { Browser } from 'playwright-core';
import { launch, visit } from '../sample/browser.js';
import { CHROMIUM, describeWith } from '../support/programs.js';
import { until } from '../support/until.js';
import { type Example, startExample } from './start-example.js';

describeWith(CHROMIUM, 'the example reopening, behind a proxy', (path) => {
  let example: Example;
  let browser: Browser;
  let proxy: Proxy;

  beforeAll(async () => {
    example = await startExample('reopening');
    proxy = await Proxy.start(new URL(example.url));
    browser = await launch(path);
  }, 60_000);

  afterAll(async () => {
    await browser.close();
    proxy.stop();
    await example.app.close();
  });

  it('goes on after a 502, for which a plain EventSource gives up for good', async () => {
    const { page } = await visit(browser, proxy.url);
    await page.evaluate(`window.plain = new EventSource('/news?plain')`);
    const connections = example.app.get(SseConnections);
    await until('both are connected', () => connections.count === 2);
    await example.post('/news', { text: 'before' });
    await page.getByText('before').waitFor();

    proxy.mode = 'answers 502';
    connections.close();
    const stateOfPlain = () => page.evaluate('window.plain.readyState');
    await until('the plain one has given up', async () => (await stateOfPlain()) === 2, 15_000);
    await until('both have met the 502', () => proxy.refused.size === 2, 15_000);
    await example.post('/news', { text: 'meanwhile' });
    proxy.mode = 'hands on';

    await page.getByText('meanwhile').waitFor();
    expect(await page.locator('li').allTextContents()).toEqual(['before', 'meanwhile']);
    expect(await stateOfPlain()).toBe(2);
    expect(connections.count).toBe(1);
    await page.context().close();
  }, 60_000);

  it('a plain EventSource comes back by itself when the proxy cuts the connection instead', async () => {
    const { page } = await visit(browser, `${proxy.url}/reopen.js`);
    const connections = example.app.get(SseConnections);
    await page.evaluate(`window.plain = new EventSource('/news?plain')`);
    await until('it is connected', () => connections.count === 1);

    proxy.refused.clear();
    proxy.mode = 'cuts';
    connections.close();
    await until('it has tried', () => proxy.refused.size === 1, 15_000);
    expect(await page.evaluate('window.plain.readyState')).toBe(0);
    proxy.mode = 'hands on';
    await until('it is back', () => connections.count === 1, 15_000);
    await page.context().close();
  }, 60_000);
});

/** Hands requests on, or does what a proxy does whose application is away. */
class Proxy {
  mode: 'hands on' | 'answers 502' | 'cuts' = 'hands on';
  /** The streams that were not handed on, without their `lastEventId`. */
  readonly refused = new Set<string>();
  readonly #server: Server;

  private constructor(target: URL) {
    this.#server = createServer((incoming, outgoing) => {
      const { pathname, searchParams } = new URL(incoming.url ?? '/', target);
      if (this.mode !== 'hands on') {
        this.refused.add(`${pathname}${searchParams.has('plain') ? '?plain' : ''}`);
        if (this.mode === 'cuts') incoming.socket.destroy();
        else outgoing.writeHead(502).end();
        return;
      }
      const { method, headers, url } = incoming;
      const onward = request(new URL(url ?? '/', target), { method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
        answer.once('error', () => outgoing.destroy());
      });
      outgoing.once('close', () => onward.destroy());
      onward.once('error', () => outgoing.destroy());
      incoming.pipe(onward);
    });
  }

  static async start(target: URL): Promise<Proxy> {
    const proxy = new Proxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
