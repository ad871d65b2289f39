import { expect, it } from '@jest/globals';
import { CHROMIUM, describeWith } from '../support/programs.js';
import { until } from '../support/until.js';
import { TabBench } from './support/tab-bench.js';
import type { Tab } from './support/tabs.js';

const HANGS = '() => new Promise(() => {})';
const FAILS = `() => { throw new TypeError('Not now'); }`;

describeWith(CHROMIUM, 'the tab that is connected for the others', (path) => {
  const bench = new TabBench(path);

  /** Who is connected, of so many that have what there was. */
  async function leaderOf(count: number): Promise<Tab> {
    await bench.openUpTo(count);
    await bench.isOneConnection();
    await bench.publish(5);
    await bench.expectAll();
    return bench.leader();
  }

  it.each([
    ['whose headers hang', `token = ${HANGS}`, 'token = undefined'],
    ['whose headers cannot be had', `token = ${FAILS}`, 'token = undefined'],
    ['whose requests hang', `network = ${HANGS}`, 'network = undefined'],
    ['whose requests fail', `network = ${FAILS}`, 'network = undefined'],
  ])(
    'and %s keeps nothing from them, and has lost nothing itself',
    async (_, begin, end) => {
      const leader = await leaderOf(4);
      await leader.evaluate(begin);
      bench.endConnections();
      await bench.publish(20);
      await bench.expectAll(bench.others(leader));
      await leader.evaluate(end);
      await bench.publish(5);
      await bench.expectAll();
      await bench.isOneConnection();
      await bench.publish(5);
      await bench.expectAll();
    },
    60_000,
  );

  it('whose connection goes dead without a word notices, and nobody has lost anything', async () => {
    const leader = await leaderOf(4);
    bench.loseConnections();
    await bench.publish(20);
    await bench.expectAll();
    await bench.isOneConnection();
    await bench.publish(5);
    await bench.expectAll();
    expect(bench.tabs).toContain(leader);
  }, 60_000);

  it('goes to another page and comes back: the others have lost nothing, and share with it', async () => {
    const leader = await leaderOf(4);
    await leader.visit(`${bench.url}/elsewhere`);
    await bench.publish(20);
    await bench.expectAll(bench.others(leader));
    await leader.evaluate('history.back()');
    await leader.until(`globalThis.events?.state === 'live'`);
    // As one that was restored, or as a new one.
    const isRestored = await leader.evaluate<boolean>('isRestored');
    await bench.publish(5);
    await bench.expectAll(bench.others(leader));
    await leader.until(`numbers.at(-1) === ${bench.published}`);
    const first = isRestored ? 1 : 26;
    const expected = Array.from({ length: 31 - first }, (_, n) => first + n);
    expect(await leader.numbers()).toEqual(expected);
    await bench.isOneConnection();
  }, 60_000);

  it('and all others are told of a server that began anew, also one that was frozen: a gap, and what it has', async () => {
    const leader = await leaderOf(4);
    const [frozen] = bench.others(leader);
    if (frozen === undefined) throw new Error('There is only one tab');
    await frozen.setFrozen(true);
    await bench.restart();
    await bench.publish(20);
    await bench.expectAll(bench.others(frozen));
    await frozen.setFrozen(false);
    await bench.expectAll();
    for (const tab of bench.tabs) expect(await tab.evaluate('gaps')).toEqual(['epoch']);
    await bench.isOneConnection();
    await bench.publish(5);
    await bench.expectAll();
  }, 60_000);

  it('leaves no request behind when it closes, and neither does the last one', async () => {
    await leaderOf(3);
    while (bench.tabs.length > 0) {
      const leader = await bench.leader();
      await leader.evaluate('events.close()');
      bench.tabs = bench.others(leader);
      await bench.publish(5);
      await bench.expectAll();
      await bench.hasConnections(Math.min(bench.tabs.length, 1));
      expect(await leader.evaluate(`numbers.length < ${bench.published}`)).toBe(true);
    }
    expect(bench.connections).toBe(0);
  }, 60_000);
});

describeWith(CHROMIUM, 'the tab that is to connect, and has time for it,', (path) => {
  const bench = new TabBench(path, { heartbeatInterval: 60_000, retry: { min: 50, max: 100 } });

  it('takes no connection from one that joins meanwhile', async () => {
    await bench.openUpTo(2);
    await bench.isOneConnection();
    await bench.publish(5);
    await bench.expectAll();
    const leader = await bench.leader();
    const from = await leader.cursor();
    await leader.evaluate('network = () => new Promise((_, reject) => (end = reject))');
    bench.endConnections();
    await leader.until('globalThis.end');
    await bench.publish(5);
    const late = await bench.open(`/?from=${from}`);
    await late.receives(5);
    await bench.publish(5);
    await late.receives(10);
    await leader.evaluate(`network = undefined, end(new TypeError('Not then'))`);
    await bench.expectAll(bench.others(late));
    await bench.isOneConnection();
    await bench.publish(5);
    await bench.expectAll(bench.others(late));
    await late.receives(15);
    expect(await late.numbers()).toEqual(Array.from({ length: 15 }, (_, n) => n + 6));
  }, 60_000);
});

describeWith(CHROMIUM, 'tabs of several identities', (path) => {
  const bench = new TabBench(path);

  it('share with those of the same, and with nobody else, also when that is said by headers', async () => {
    for (const path of ['/?token=a', '/?token=a', '/?token=b', '/?user=a', '/?user=a', '/']) {
      await bench.open(path);
    }
    await bench.hasConnections(4);
    for (let round = 0; round < 5; round++) {
      await bench.publish(5);
      await bench.expectAll();
    }
    expect(bench.connections).toBe(4);
    const [first] = bench.tabs;
    await first?.close();
    bench.tabs = bench.tabs.slice(1);
    await bench.publish(5);
    await bench.expectAll();
    await bench.hasConnections(4);
    // The server may have yet to see that the first one has gone.
    const requests = () => Promise.all(bench.tabs.slice(0, 2).map((tab) => tab.requests()));
    await until('each has a request', async () => String(await requests()) === '1,1', 30_000);
    await bench.hasConnections(4);
  }, 60_000);
});
