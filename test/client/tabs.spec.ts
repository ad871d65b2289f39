import { beforeEach, describe, expect, it } from '@jest/globals';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { CHROMIUM, describeWith } from '../support/programs.js';
import { elapse, until } from '../support/until.js';
import { TabBench } from './support/tab-bench.js';
import type { Tab } from './support/tabs.js';

describeWith(CHROMIUM, 'tabs that share', (path) => {
  const bench = new TabBench(path);

  it('have one connection among five, and each has all events', async () => {
    await bench.openUpTo(5);
    await bench.isOneConnection();
    await bench.publish(20);
    await bench.expectAll();
    expect(bench.connections).toBe(1);
  }, 60_000);

  it('lose nothing and repeat nothing when the one that is connected crashes', async () => {
    await bench.openUpTo(5);
    await bench.isOneConnection();
    await bench.publish(5);
    const first = await bench.leader();
    const publishing = bench.publish(200);
    first.crash();
    await publishing;
    await bench.publish(5);
    bench.tabs = bench.others(first);
    await bench.expectAll();
    await bench.isOneConnection();
  }, 60_000);

  it('lose nothing and repeat nothing when one after the other is closed', async () => {
    await bench.openUpTo(4);
    await bench.isOneConnection();
    while (bench.tabs.length > 1) {
      await bench.publish(20);
      const closing = await bench.leader();
      await closing.close();
      bench.tabs = bench.others(closing);
      await bench.publish(20);
      await bench.expectAll();
      await bench.isOneConnection();
    }
  }, 60_000);

  it('lose nothing and repeat nothing when the one that is connected is frozen, and then thaws', async () => {
    await bench.openUpTo(5);
    await bench.isOneConnection();
    await bench.publish(5);
    await bench.expectAll();
    const first = await bench.leader();
    await first.setFrozen(true);
    await bench.publish(50);
    await bench.expectAll(bench.others(first));
    expect(await first.numbers()).toHaveLength(5);
    await first.setFrozen(false);
    await bench.publish(5);
    await bench.expectAll();
    await bench.isOneConnection();
    await bench.publish(5);
    await bench.expectAll();
  }, 60_000);

  it('lose nothing and repeat nothing when one that is not connected is frozen', async () => {
    await bench.openUpTo(3);
    await bench.isOneConnection();
    const [frozen] = bench.others(await bench.leader());
    if (frozen === undefined) throw new Error('All tabs are connected');
    await frozen.setFrozen(true);
    await bench.publish(50);
    await bench.expectAll(bench.others(frozen));
    await frozen.setFrozen(false);
    await bench.publish(5);
    await bench.expectAll();
    await bench.isOneConnection();
  }, 60_000);

  it('come back when the network does', async () => {
    await bench.openUpTo(3);
    await bench.isOneConnection();
    await bench.publish(5);
    await bench.expectAll();
    for (const tab of bench.tabs) await tab.setOffline(true);
    bench.app.get(SseConnections).close();
    await bench.hasConnections(0);
    await bench.publish(20);
    for (const tab of bench.tabs) await tab.setOffline(false);
    await bench.expectAll();
    await bench.isOneConnection();
  }, 60_000);

  it('let a new one catch up from a place of its own, and take it in', async () => {
    await bench.openUpTo(2);
    await bench.isOneConnection();
    await bench.publish(1);
    await bench.expectAll();
    const from = await bench.tabs[0]?.cursor();
    await bench.publish(30);
    const late = await bench.open(`/?from=${from ?? ''}`);
    await late.receives(30);
    await bench.isOneConnection();
    await bench.publish(5);
    await bench.expectAll(bench.others(late));
    await late.receives(35);
    expect(await late.numbers()).toEqual(Array.from({ length: 35 }, (_, n) => n + 2));
  }, 60_000);

  it('share with nobody else: another user has another connection', async () => {
    await bench.openUpTo(2, '/?user=ada');
    await bench.openUpTo(4, '/?user=bob');
    await bench.hasConnections(2);
    await bench.publish(5);
    await bench.expectAll();
    expect(bench.connections).toBe(2);
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
      const tab = await bench.open(`/${query}`);
      const isFor = (topic: string) => topics.split(',').includes(topic);
      wanted.set(tab, { isFor, names: [] });
      return tab;
    }

    async function tick(...topics: string[]): Promise<void> {
      for (const topic of topics) {
        const n = (counts.get(topic) ?? 0) + 1;
        counts.set(topic, n);
        for (const { isFor, names } of wanted.values())
          if (isFor(topic)) names.push(`${topic}${n}`);
        await bench.app.get(EventBus).publish(topic, { type: 'tick', data: { n, topic } });
      }
    }

    /** Each has the ticks of its topics since it was opened, once, in their order. */
    async function expectOwn(): Promise<void> {
      for (const tab of bench.tabs) {
        const all = wanted.get(tab)?.names ?? [];
        await tab.receives(all.length);
        expect(await tab.named()).toEqual(all);
      }
    }

    const streamed = (...topics: string[]) =>
      until(
        `one connection with ${String(topics)}`,
        () => {
          const [only, ...others] = bench.app.get(SseConnections).list();
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
          await elapse(5);
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
      const first = await bench.leader();
      const [gone = ''] = (await first.named()).map((name) => name.charAt(0));
      first.crash();
      bench.tabs = bench.others(first);
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
        bench.app
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
      await bench.hasConnections(2);
      await tick('x', 'y');
      await expectOwn();
    }, 60_000);
  });
});
