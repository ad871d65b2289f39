import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  jest,
} from '@jest/globals';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { connectSse } from 'nestjs-event-stream/testing';
import type { Browser } from 'playwright-core';
import { defer, finalize } from 'rxjs';
import { createApp } from '../../sample/app.js';
import { CHROMIUM, describeWith } from '../support/programs.js';
import { until } from '../support/until.js';
import { launch, portOf, visit } from './browser.js';

let app: NestExpressApplication;
let port: number;

beforeEach(async () => {
  app = await createApp({ logger: ['error', 'warn'] });
  await app.listen(0);
  port = portOf(app);
});
afterEach(() => app.close());

describe('the sample', () => {
  it('streams the current timestamp as testEvent, once for every second', async () => {
    const client = await connectSse(app, '/');
    const first = Date.parse((await client.next('testEvent')).data);
    const second = Date.parse((await client.next('testEvent')).data);
    expect(Math.abs(Date.now() - second)).toBeLessThan(2_000);
    expect(second - first).toBe(1_000);
    client.close();
  });

  it('answers an EventSource with the headers of an event stream', async () => {
    const client = await connectSse(app, '/', { headers: { origin: 'https://elsewhere.example' } });
    expect(client.status).toBe(200);
    expect(client.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': expect.stringContaining('no-cache'),
      connection: 'keep-alive',
      vary: 'Accept',
      'access-control-allow-origin': '*',
    });
    client.close();
  });

  it('answers a browser that asks for HTML with the page', async () => {
    const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
    const response = await fetch(`http://localhost:${port}/`, { headers: { accept } });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('text/html');
    expect(response.headers.get('vary')).toContain('Accept');
    expect(await response.text()).toContain('<title>');
  });

  it('ends the subscription when the client leaves', async () => {
    const bus = app.get(EventBus);
    const stream = bus.stream.bind(bus);
    let subscriptions = 0;
    jest.spyOn(bus, 'stream').mockImplementation((...args) =>
      defer(() => {
        subscriptions++;
        return stream(...args);
      }).pipe(finalize(() => subscriptions--)),
    );
    const client = await connectSse(app, '/');
    await client.next('testEvent');
    expect(subscriptions).toBe(1);
    client.close();
    await until('the subscription ends', () => subscriptions === 0);
    expect(app.get(SseConnections)).toMatchObject({ count: 0, ended: { client: 1 } });
  });

  it('ends the connection that is to be dropped, and no other', async () => {
    const dropped = await connectSse<{ welcome: { name: string } }>(app, '/');
    const other = await connectSse(app, '/');
    const { name } = (await dropped.next('welcome')).json();
    const url = `http://localhost:${port}/drop/${name}`;
    expect((await fetch(url, { method: 'POST' })).status).toBe(202);
    await dropped.closed;
    expect(app.get(SseConnections)).toMatchObject({ count: 1, ended: { closed: 1, client: 0 } });
    other.close();
  });
});

describeWith(CHROMIUM, 'the sample in Chromium', (path) => {
  let browser: Browser;
  let elsewhere: Server;

  beforeAll(async () => {
    browser = await launch(path);
    elsewhere = createServer((_, response) => {
      response.setHeader('content-type', 'text/html');
      response.end('<!doctype html><link rel="icon" href="data:,"><title>elsewhere</title>');
    });
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
  }, 60_000);

  afterAll(async () => {
    await browser.close();
    elsewhere.closeAllConnections();
    elsewhere.close();
  });

  it('gives the timestamps to an EventSource on a page of another origin', async () => {
    const { port: origin } = elsewhere.address() as AddressInfo;
    const { page, logged, problems } = await visit(browser, `http://127.0.0.1:${origin}`);
    await page.evaluate(`
      const eventSource = new EventSource('http://localhost:${port}');
      eventSource.addEventListener('testEvent', (event) => { console.log(event.data); });
    `);
    await until('two timestamps are logged', () => logged.length >= 2, 10_000);
    const [first, second] = logged.map((line) => Date.parse(line));
    expect(second).toBe(Number(first) + 1_000);
    expect(problems).toEqual([]);
    await page.context().close();
  });
});
