import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import {
  BadGatewayException,
  Controller,
  type INestApplication,
  type MessageEvent,
  Sse,
} from '@nestjs/common';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import type { Observable } from 'rxjs';
import { onExpress, urlOf } from '../support/each-adapter.js';
import { describeWith, FIREFOX } from '../support/programs.js';
import { until } from '../support/until.js';
import { Firefox, type FirefoxTab } from './support/firefox.js';
import { TabsController } from './support/tabs.js';

/** Answers 502 as often as it is told to, as a proxy does while its application is away. */
@Controller()
class ProxiedController {
  static refusals = 0;

  constructor(private readonly bus: EventBus) {}

  @Sse('proxied')
  proxied(): Observable<MessageEvent> {
    if (ProxiedController.refusals-- > 0) throw new BadGatewayException();
    return this.bus.stream('ticks');
  }
}

describeWith(FIREFOX, 'Firefox', (path) => {
  const bench = onExpress();
  let firefox: Firefox;
  let app: INestApplication;
  let tabs: FirefoxTab[];
  let published: number;

  beforeAll(async () => {
    firefox = await Firefox.start(path);
  }, 60_000);
  afterAll(() => firefox.close());
  beforeEach(async () => {
    app = await bench.start({
      controllers: [TabsController, ProxiedController],
      sse: { heartbeatInterval: 400, retry: { min: 50, max: 100 } },
    });
    tabs = [];
    published = 0;
  });
  afterEach(async () => {
    for (const tab of tabs) await tab.close();
  });

  async function open(query = ''): Promise<FirefoxTab> {
    const tab = await firefox.open(`${urlOf(app)}/${query}`);
    tabs.push(tab);
    await tab.until(`globalThis.events?.state === 'live'`);
    return tab;
  }

  async function publish(count: number): Promise<void> {
    for (let sent = 0; sent < count; sent++)
      await app.get(EventBus).publish('ticks', { type: 'tick', data: { n: ++published } });
  }

  /** It has all that was published, each once, in order. */
  async function expectAll(tab: FirefoxTab, name = 'numbers'): Promise<void> {
    await tab.until(`${name}.length >= ${published}`);
    const numbers = Array.from({ length: published }, (_, n) => n + 1);
    expect(await tab.evaluate(name)).toEqual(numbers);
  }

  const connections = (count: number) =>
    until(`${count} connections`, () => app.get(SseConnections).count === count, 15_000);

  /** A plain EventSource beside the client of the page. */
  const addNative = (tab: FirefoxTab, url: string) =>
    tab.evaluate(`(() => {
      window.native = new EventSource('${url}');
      window.heard = [];
      native.addEventListener('tick', ({ data }) => heard.push(JSON.parse(data).n));
    })()`);

  it('has all events, by EventSource and by the client, over connections that end', async () => {
    const tab = await open();
    await addNative(tab, '/ticks');
    await connections(2);
    for (let round = 0; round < 5; round++) {
      await publish(20);
      app.get(SseConnections).close();
      await publish(20);
    }
    await expectAll(tab);
    await expectAll(tab, 'heard');
  }, 60_000);

  it('has one connection for its tabs, which lose nothing and repeat nothing when one after the other is closed', async () => {
    for (let count = 0; count < 4; count++) await open();
    await connections(1);
    while (tabs.length > 1) {
      await publish(20);
      const requests = await Promise.all(tabs.map((tab) => tab.evaluate<number>('requests')));
      expect([...requests].sort()).toEqual([...requests.slice(1).fill(0), 1]);
      const [leader] = tabs.splice(requests.indexOf(1), 1);
      await leader?.close();
      await publish(20);
      for (const tab of tabs) await expectAll(tab);
      await connections(1);
    }
  }, 60_000);

  it('passes a 502 by the client, for which EventSource gives up', async () => {
    const tab = await open();
    ProxiedController.refusals = 1;
    await addNative(tab, '/proxied');
    await tab.until('native.readyState === 2');
    ProxiedController.refusals = 1;
    await tab.evaluate(`events.update({ url: '/proxied' })`);
    await until('it was refused', () => ProxiedController.refusals <= 0, 15_000);
    await publish(3);
    await expectAll(tab);
    expect(await tab.evaluate('heard')).toEqual([]);
  }, 60_000);
});
