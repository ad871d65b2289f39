import { expect, it } from '@jest/globals';
import { CHROMIUM, describeWith } from '../support/programs.js';
import { TabBench } from './support/tab-bench.js';

const NO_CHANNEL = `BroadcastChannel = class {
  constructor() { throw new DOMException('Storage is denied', 'SecurityError'); }
};`;
const NO_MESSAGE = `BroadcastChannel.prototype.postMessage = () => {
  throw new DOMException('It cannot be cloned', 'DataCloneError');
};`;
const NO_LOCKS = `Object.defineProperty(navigator, 'locks', { value: undefined });`;
const NO_CHANNELS_AT_ALL = `delete globalThis.BroadcastChannel;`;
const DENIED = `LockManager.prototype.request = async () => {
  throw new DOMException('Locks are denied', 'SecurityError');
};`;

describeWith(CHROMIUM, 'tabs that cannot share', (path) => {
  const bench = new TabBench(path);

  it.each([
    ['where a channel cannot be had', { script: NO_CHANNEL }],
    ['where there are no channels', { script: NO_CHANNELS_AT_ALL }],
    ['where a channel takes no message', { script: NO_MESSAGE }],
    ['where there are no locks', { script: NO_LOCKS }],
    ['where locks are denied', { script: DENIED }],
    ['without a secure context', { host: 'insecure.test' }],
    ['in a sandbox, where both are denied', { path: '/sandboxed' }],
  ])(
    '%s have a connection each, and miss and repeat nothing',
    async (
      _,
      {
        path = '/',
        ...how
      }: {
        path?: string;
        host?: string;
        script?: string;
      },
    ) => {
      for (let count = 0; count < 2; count++) await bench.open(path, how);
      await bench.hasConnections(2);
      await bench.publish(10);
      await bench.expectAll();
      for (const tab of bench.tabs) expect(await tab.requests()).toBe(1);
      // Past an end too.
      bench.endConnections();
      await bench.publish(10);
      await bench.hasConnections(2);
      await bench.publish(10);
      await bench.expectAll();
      for (const tab of bench.tabs.splice(1)) await tab.evaluate('events.close()');
      await bench.hasConnections(1);
      await bench.publish(1);
      await bench.expectAll();
    },
    60_000,
  );

  it('are in those situations', async () => {
    const insecure = await bench.open('/', { host: 'insecure.test' });
    expect(await insecure.evaluate('[isSecureContext, typeof navigator.locks]')).toEqual([
      false,
      'undefined',
    ]);
    const sandboxed = await bench.open('/sandboxed');
    const denied = `navigator.locks.request('any', () => {}).catch(({ name }) => name)`;
    expect(await sandboxed.evaluate(denied)).toBe('SecurityError');
  }, 60_000);

  it('because of one of them: the others do, and it misses nothing', async () => {
    await bench.openUpTo(3);
    await bench.isOneConnection();
    const alone = await bench.open('/', { script: NO_MESSAGE });
    await bench.publish(5);
    await bench.expectAll();
    const [leader] = await Promise.all(
      bench.others(alone).map(async (tab) => ({ tab, count: await tab.requests() })),
    ).then((found) => found.filter(({ count }) => count === 1));
    await leader?.tab.close();
    bench.tabs = bench.tabs.filter((tab) => tab !== leader?.tab);
    await bench.publish(5);
    await bench.expectAll();
  }, 60_000);
});
