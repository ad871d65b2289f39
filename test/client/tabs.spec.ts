import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { onExpress, urlOf } from '../support/each-adapter.js';
import { CHROMIUM, describeWith } from '../support/programs.js';
import { until } from '../support/until.js';
import { Chromium } from './support/devtools.js';
import { Tab, TabsController } from './support/tabs.js';

describeWith(CHROMIUM, 'tabs that share', (path) => {
  const bench = onExpress();
  let chromium: Chromium;
  let context: string;
  let app: INestApplication;
  let tabs: Tab[];
  let published: number;

  beforeAll(() => {
    chromium = new Chromium(path);
  });
  afterAll(() => chromium.close());
  beforeEach(async () => {
    context = await chromium.context();
    app = await bench.start({
      controllers: [TabsController],
      sse: { heartbeatInterval: 400, retry: { min: 50, max: 100 } },
    });
    tabs = [];
    published = 0;
  });
  afterEach(() => chromium.dispose(context));

  async function openTabs(count: number, query = ''): Promise<void> {
    while (tabs.length < count)
      tabs.push(await Tab.open(chromium, context, `${urlOf(app)}/${query}`));
  }

  async function publish(count: number): Promise<void> {
    for (let sent = 0; sent < count; sent++) {
      await app.get(EventBus).publish('ticks', { type: 'tick', data: { n: ++published } });
    }
  }

  /** Who has all that was published, each once, in order. */
  async function expectAll(those: readonly Tab[] = tabs): Promise<void> {
    for (const tab of those) {
      await tab.receives(published);
      expect(await tab.numbers()).toEqual(Array.from({ length: published }, (_, n) => n + 1));
    }
  }

  const connections = (count: number) =>
    until(`${count} connections`, () => app.get(SseConnections).count === count, 15_000);
  const isOneConnection = () => connections(1);

  /** The tab whose connection it is. */
  async function leader(): Promise<Tab> {
    let found: Tab | undefined;
    await until('a tab has the only request', async () => {
      const requests = await Promise.all(tabs.map((tab) => tab.requests()));
      found = tabs[requests.indexOf(1)];
      return requests.reduce((sum, count) => sum + count, 0) === 1;
    });
    if (found === undefined) throw new Error('No tab has a request open');
    return found;
  }

  const others = (than: Tab) => tabs.filter((tab) => tab !== than);

  it('have one connection among five, and each has all events', async () => {
    await openTabs(5);
    await isOneConnection();
    await publish(20);
    await expectAll();
    expect(app.get(SseConnections).count).toBe(1);
  }, 60_000);

  it('lose nothing and repeat nothing when the one that is connected crashes', async () => {
    await openTabs(5);
    await isOneConnection();
    await publish(5);
    const first = await leader();
    const publishing = publish(200);
    first.crash();
    await publishing;
    await publish(5);
    await expectAll(others(first));
    await isOneConnection();
  }, 60_000);

  it('lose nothing and repeat nothing when one after the other is closed', async () => {
    await openTabs(4);
    await isOneConnection();
    while (tabs.length > 1) {
      await publish(20);
      const closing = await leader();
      await closing.close();
      tabs = others(closing);
      await publish(20);
      await expectAll();
      await isOneConnection();
    }
  }, 60_000);

  it('lose nothing and repeat nothing when the one that is connected is frozen, and then thaws', async () => {
    await openTabs(5);
    await isOneConnection();
    await publish(5);
    await expectAll();
    const first = await leader();
    await first.setFrozen(true);
    await publish(50);
    await expectAll(others(first));
    expect(await first.numbers()).toHaveLength(5);
    await first.setFrozen(false);
    await publish(5);
    await expectAll();
    await isOneConnection();
    await publish(5);
    await expectAll();
  }, 60_000);

  it('lose nothing and repeat nothing when one that is not connected is frozen', async () => {
    await openTabs(3);
    await isOneConnection();
    const [frozen] = others(await leader());
    if (frozen === undefined) throw new Error('All tabs are connected');
    await frozen.setFrozen(true);
    await publish(50);
    await expectAll(others(frozen));
    await frozen.setFrozen(false);
    await publish(5);
    await expectAll();
    await isOneConnection();
  }, 60_000);

  it('come back when the network does', async () => {
    await openTabs(3);
    await isOneConnection();
    await publish(5);
    await expectAll();
    for (const tab of tabs) await tab.setOffline(true);
    app.get(SseConnections).close();
    await connections(0);
    await publish(20);
    for (const tab of tabs) await tab.setOffline(false);
    await expectAll();
    await isOneConnection();
  }, 60_000);

  it('let a new one catch up from a place of its own, and take it in', async () => {
    await openTabs(2);
    await isOneConnection();
    await publish(1);
    await expectAll();
    const from = await tabs[0]?.cursor();
    await publish(30);
    const late = await Tab.open(chromium, context, `${urlOf(app)}/?from=${from ?? ''}`);
    await late.receives(30);
    await isOneConnection();
    await publish(5);
    await expectAll();
    await late.receives(35);
    expect(await late.numbers()).toEqual(Array.from({ length: 35 }, (_, n) => n + 2));
  }, 60_000);

  it('share with nobody else: another user has another connection', async () => {
    await openTabs(2, '?user=ada');
    await openTabs(4, '?user=bob');
    await connections(2);
    await publish(5);
    await expectAll();
    expect(app.get(SseConnections).count).toBe(2);
  }, 60_000);

  describe('with topics of their own', () => {
    const TOPICS = ['a', 'b', 'c', 'd', 'e', 'x', 'y'];
    let counts: Map<string, number>;
    let wanted: Map<Tab, { readonly isFor: (topic: string) => boolean; readonly names: string[] }>;

    beforeEach(() => {
      counts = new Map(TOPICS.map((topic) => [topic, 0]));
      wanted = new Map();
    });

    async function openFor(topics: string, user = 'ada'): Promise<Tab> {
      const query = `?topics=${topics}&user=${user}`;
      const tab = await Tab.open(chromium, context, `${urlOf(app)}/${query}`);
      const isFor = (topic: string) => topics.split(',').includes(topic);
      wanted.set(tab, { isFor, names: [] });
      tabs.push(tab);
      return tab;
    }

    async function tick(...topics: string[]): Promise<void> {
      for (const topic of topics) {
        const n = (counts.get(topic) ?? 0) + 1;
        counts.set(topic, n);
        for (const { isFor, names } of wanted.values())
          if (isFor(topic)) names.push(`${topic}${n}`);
        await app.get(EventBus).publish(topic, { type: 'tick', data: { n, topic } });
      }
    }

    /** Each has the ticks of its topics since it was opened, once, in their order. */
    async function expectOwn(): Promise<void> {
      for (const tab of tabs) {
        const all = wanted.get(tab)?.names ?? [];
        await tab.receives(all.length);
        expect(await tab.named()).toEqual(all);
      }
    }

    const streamed = (...topics: string[]) =>
      until(
        `one connection with ${String(topics)}`,
        () => {
          const [only, ...others] = app.get(SseConnections).list();
          return others.length === 0 && String(only?.topics.toSorted()) === String(topics);
        },
        15_000,
      );

    it('have one connection for the topics of all, and each has its own', async () => {
      await openFor('a');
      await openFor('b');
      await openFor('a,c');
      await streamed('a', 'b', 'c');
      for (let round = 0; round < 10; round++) await tick('a', 'b', 'c', 'a');
      await expectOwn();
      await streamed('a', 'b', 'c');
    }, 60_000);

    it('lose and repeat nothing when a tab adds a topic while there is traffic on the others', async () => {
      const publishing = { isOn: true };
      await openFor('a');
      await streamed('a');
      const traffic = (async () => {
        while (publishing.isOn) {
          await tick('a');
          await new Promise((turn) => setImmediate(turn));
        }
      })();
      await openFor('b');
      await streamed('a', 'b');
      const late = await openFor('c');
      for (let round = 0; round < 5; round++) await tick('b', 'c');
      await late.receives(5);
      await streamed('a', 'b', 'c');
      await tick('c', 'b');
      publishing.isOn = false;
      await traffic;
      await expectOwn();
    }, 60_000);

    it('lose and repeat nothing when the one that is connected crashes, of five; its topics are no longer asked for', async () => {
      const five = ['a', 'b', 'c', 'd', 'e'];
      for (const topic of five) await openFor(topic);
      await streamed(...five);
      await tick(...five);
      await expectOwn();
      const first = await leader();
      const [gone = ''] = (await first.named()).map((name) => name.charAt(0));
      first.crash();
      tabs = others(first);
      for (let round = 0; round < 20; round++) await tick(...five);
      await expectOwn();
      await streamed(...five.filter((topic) => topic !== gone));
      await tick(...five);
      await expectOwn();
    }, 60_000);

    it('share with nobody else: another user has another connection', async () => {
      await openFor('a', 'ada');
      await openFor('b', 'ada');
      await openFor('b', 'bob');
      const asked = () =>
        app
          .get(SseConnections)
          .list()
          .map(({ topics }) => String(topics.toSorted()))
          .sort();
      await until('ada has one for both', () => String(asked()) === 'a,b,b');
      // Who shares leaves its own connection with the first message that it hears.
      for (let round = 0; round < 5; round++) {
        await tick('a', 'b');
        await expectOwn();
      }
      expect(asked()).toEqual(['a,b', 'b']);
    }, 60_000);

    it('have a connection each where the server does not give in one what each may have', async () => {
      await openFor('x');
      await openFor('y');
      await tick('x', 'y');
      await expectOwn();
      await connections(2);
      await tick('x', 'y');
      await expectOwn();
    }, 60_000);
  });
});
