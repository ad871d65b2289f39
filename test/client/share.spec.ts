import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { EventsOptions } from 'nestjs-event-stream/client';
import { turns } from '../support/until.js';
import { ClientBench, type Listener } from './support/client-bench.js';
import { Locks } from './support/locks.js';
import type { Exchange } from './support/scripted-server.js';

const tick = (id: string) => `id: ${id}\ndata: ${JSON.stringify(id)}\n\n`;

describe('tabs that share', () => {
  const locks = Locks.use();
  const bench = ClientBench.use();
  afterEach(() => void jest.restoreAllMocks());

  const connect = (name: string, options: EventsOptions = {}) =>
    bench.connect({ share: 'ada', headers: { 'x-tab': name }, retry: 1, ...options });

  /** The next request, which has to be of that tab. */
  async function nextOf(name: string): Promise<Exchange> {
    const exchange = await bench.server.next();
    expect(exchange.header('x-tab')).toBe(name);
    return exchange;
  }

  /** Two tabs, the first of which is connected for both. */
  async function two(
    options: EventsOptions = {},
    headers: Record<string, string> = {},
  ): Promise<{ leader: Listener; follower: Listener; connection: Exchange }> {
    const leader = connect('leader', options);
    const connection = (await nextOf('leader')).open(headers).write(tick('e.1'));
    await leader.receives(1);
    const follower = connect('follower', { lastEventId: 'e.1' });
    const own = (await nextOf('follower')).open(headers).write('id: e.1\n\n');
    await own.gone;
    return { leader, follower, connection };
  }

  it('have one request, and the last one that is closed ends it', async () => {
    const { leader, follower, connection } = await two();
    connection.write(tick('e.2'));
    await Promise.all([leader.receives(2), follower.receives(1)]);
    leader.events.close();
    await connection.gone;
    const next = await nextOf('follower');
    expect(next.lastEventId).toBe('e.2');
    next.open().write(tick('e.3'));
    await follower.receives(2);
    follower.events.close();
    await next.gone;
    expect([leader.data, follower.data]).toEqual([
      ['e.1', 'e.2'],
      ['e.2', 'e.3'],
    ]);
    expect(bench.server.requests).toBe(3);
  });

  it.each(['leader', 'follower'] as const)(
    'dispatch nothing after close(), that of the %s in the middle of what came together',
    async (who) => {
      const tabs = await two();
      const tab = tabs[who];
      const heard: unknown[] = [];
      tab.events.on('message', ({ data }) => {
        heard.push(data);
        if (data === 'e.3') tab.events.close();
      });
      const [other] = [tabs.leader, tabs.follower].filter((one) => one !== tab);
      const ids = ['e.2', 'e.3', 'e.4', 'e.5', 'e.6'];
      tabs.connection.write(ids.slice(0, -1).map(tick).join(''));
      await tab.is('closed');
      if (who === 'leader') {
        const next = await nextOf('follower');
        const missed = ids.slice(ids.indexOf(next.lastEventId ?? '') + 1);
        next.open().write(missed.map(tick).join(''));
      } else tabs.connection.write(tick('e.6'));
      await other?.until(({ data }) => data.includes('e.6'));
      expect(heard).toEqual(['e.2', 'e.3']);
      expect(tab.events.lastEventId).toBe('e.3');
      expect(other?.data.filter((data) => data !== 'e.1')).toEqual(ids);
    },
  );

  it('dispatch nothing after close() while the state is fetched', async () => {
    const { leader, follower, connection } = await two();
    let isFetching: () => void;
    const fetching = new Promise<void>((resolve) => (isFetching = resolve));
    let fetched = () => {};
    follower.events.onGap(() => {
      isFetching();
      return new Promise<void>((resolve) => (fetched = resolve));
    });
    const gap = `event: gap\nid: e.5\ndata: {"reason":"trimmed"}\n\n`;
    connection.write(gap + tick('e.6'));
    await fetching;
    connection.write(tick('e.7'));
    await leader.receives(4);
    follower.events.close();
    fetched();
    await turns(10);
    expect(follower.received).toEqual([]);
    expect(follower.events.lastEventId).toBe('e.1');
  });

  it('have a connection each where a channel cannot be had', async () => {
    const { BroadcastChannel: own } = globalThis;
    const denied = () => {
      throw new DOMException('Storage is denied', 'SecurityError');
    };
    globalThis.BroadcastChannel = new Proxy(own, { construct: denied });
    try {
      await expectOneEach();
    } finally {
      globalThis.BroadcastChannel = own;
    }
  });

  it('have a connection each where a channel takes no message', async () => {
    jest.spyOn(BroadcastChannel.prototype, 'postMessage').mockImplementation(() => {
      throw new DOMException('It is closed', 'InvalidStateError');
    });
    await expectOneEach();
  });

  /** Neither misses or repeats anything, past an end of its connection too. */
  async function expectOneEach(): Promise<void> {
    for (const name of ['first', 'second']) {
      const tab = connect(name);
      const first = (await nextOf(name)).open().write(tick('e.1'));
      await tab.receives(1);
      first.write(tick('e.2')).end();
      const second = await nextOf(name);
      expect(second.lastEventId).toBe('e.2');
      second.open().write(tick('e.3'));
      await tab.receives(3);
      expect(tab.data).toEqual(['e.1', 'e.2', 'e.3']);
    }
    expect(bench.server.requests).toBe(4);
  }

  it('do not follow one that is not connected while they are', async () => {
    let isUp = true;
    let end = (_: Error) => {};
    const hang = () => new Promise<never>((_, reject) => (end = reject));
    const leader = connect('leader', {
      fetch: (...request) => (isUp ? fetch(...request) : hang()),
    });
    const first = (await nextOf('leader')).open().write(tick('e.1'));
    await leader.receives(1);
    isUp = false;
    first.end();
    await leader.is('waiting');
    await leader.is('connecting');
    const late = connect('late', { lastEventId: 'e.1' });
    const own = (await nextOf('late')).open().write(tick('e.2'));
    await late.receives(1);
    // What the other one answers to that has come by then.
    await turns(10);
    own.write(tick('e.3'));
    await late.receives(2);
    isUp = true;
    end(new TypeError('It has gone'));
    const again = await nextOf('leader');
    expect(again.lastEventId).toBe('e.1');
    again.open().write(tick('e.2') + tick('e.3') + tick('e.4'));
    await Promise.all([leader.receives(4), late.receives(3)]);
    await own.gone;
    expect([leader.data, late.data]).toEqual([
      ['e.1', 'e.2', 'e.3', 'e.4'],
      ['e.2', 'e.3', 'e.4'],
    ]);
  });

  it.each(['y', 'f'])(
    'take a cursor of another log (%s) for none that they are at: the server says what it is worth',
    async (epoch) => {
      const leader = connect('leader');
      const connection = (await nextOf('leader')).open().write(tick('e.1'));
      await leader.receives(1);
      const late = connect('late', { lastEventId: `${epoch}.9` });
      const own = await nextOf('late');
      // It hears of where the other one is, and has nothing else yet.
      connection.write(tick('e.2'));
      await leader.receives(2);
      await turns(10);
      own.open().write(`id: e.2\nevent: gap\ndata: {"reason":"epoch"}\n\n`);
      await late.receives(1);
      connection.write(tick('e.3'));
      await Promise.all([leader.receives(3), late.receives(2)]);
      await own.gone;
      expect(late.received.map(({ type, id }) => `${type} ${id}`)).toEqual([
        'gap e.2',
        'message e.3',
      ]);
    },
  );

  describe('hand over when the one that is to connect cannot', () => {
    const heartbeats = { 'sse-heartbeat-interval': '200' };
    const never = () => new Promise<never>(() => {});
    const always = async () => Promise.reject(new Error('There is no token'));

    it.each([
      ['its headers hang', never, undefined],
      ['its headers cannot be had', always, undefined],
      ['its requests hang', undefined, never],
      ['its requests fail', undefined, always],
    ])('%s', async (_, headersOf, send) => {
      let isInTrouble = false;
      const headers = { 'x-tab': 'leader' };
      const { leader, follower, connection } = await two(
        {
          headers: async () => (isInTrouble && headersOf ? headersOf() : headers),
          fetch: (...request) => (isInTrouble && send ? send() : fetch(...request)),
        },
        heartbeats,
      );
      isInTrouble = true;
      connection.write(tick('e.2')).end();
      const received = follower.receives(2).then(() => true);
      for (let hasReceived = false; !hasReceived;) {
        const next = await nextOf('follower');
        expect(next.lastEventId).toBe('e.2');
        next.open({ 'sse-heartbeat-interval': '0' }).write(tick('e.3'));
        // While it takes over it may yet hear that the other one tries again, and let go of its own once more.
        hasReceived = await Promise.race([received, next.gone.then(() => false)]);
      }
      isInTrouble = false;
      await leader.receives(3);
      expect([leader.data, follower.data]).toEqual([
        ['e.1', 'e.2', 'e.3'],
        ['e.2', 'e.3'],
      ]);
    });

    it('not while the server wants it to wait', async () => {
      const { leader, connection } = await two({}, heartbeats);
      const told: { state?: string; quiet: number }[] = [];
      const channel = new BroadcastChannel(locks.current.names[0] ?? '');
      channel.onmessage = ({ data }) => void told.push(data as { quiet: number });
      connection.end();
      (await nextOf('leader')).answer(503, { 'retry-after': '7' });
      await leader.is('waiting');
      await turns(10);
      channel.close();
      expect(told.at(-1)?.state).toBe('waiting');
      expect(told.at(-1)?.quiet).toBeGreaterThanOrEqual(7_000);
    });
  });
});

describe('a message of a page of another version', () => {
  const locks = Locks.use(true);
  const bench = ClientBench.use();
  let channel: InstanceType<typeof BroadcastChannel>;
  let tab: Listener;
  let own: Exchange;

  beforeEach(async () => {
    tab = bench.connect({ share: 'ada', lastEventId: 'e.1', retry: 1 });
    own = await bench.server.next();
    channel = new BroadcastChannel(locks.current.names[0] ?? '');
  });
  afterEach(() => channel.close());

  const frame = (id: string) => ({ id, type: 'message', data: JSON.stringify(id) });
  const good = { from: 'e.1', frames: [frame('e.2')], quiet: 1e6 };
  const next = { from: 'e.2', frames: [frame('e.3')], state: 'live', quiet: 1e6 };

  it.each([
    null,
    false,
    7,
    'hello',
    [],
    {},
    { kind: 'hello' },
    { frames: good.frames, quiet: 1e6 },
    { from: 'e.1', quiet: 1e6 },
    { from: 'e.1', frames: good.frames },
    { ...good, quiet: 'long' },
    { ...good, from: 1 },
    { ...good, frames: 'e.2' },
    { ...good, frames: [null] },
    { ...good, frames: [], state: 'closed' },
    { ...good, frames: [], state: 'paused' },
    { ...good, frames: [], state: { is: 'live' } },
  ])('that cannot be understood is passed over: %j', async (message) => {
    channel.postMessage(message);
    channel.postMessage(good);
    channel.postMessage(next);
    await tab.receives(2);
    expect(tab.data).toEqual(['e.2', 'e.3']);
    expect(tab.events.state).toBe('live');
  });

  it.each([
    { ...good, frames: [{}] },
    { ...good, frames: [7] },
    { ...good, frames: [{ id: 'e.2', data: '2' }] },
    { ...good, frames: [{ id: 'e.2', type: 'message' }] },
    { ...good, frames: [{ type: 'message', data: '2' }] },
    { ...good, frames: [{ id: 2, type: 'message', data: 2 }] },
    { ...good, frames: [{ id: {}, type: {}, data: {} }] },
    { ...good, frames: [{ id: 'x', type: 'message', data: '2' }] },
    { ...good, asked: 7, more: true },
  ])('that lacks a field ends nothing: %j', async (message) => {
    const answer = (exchange: Exchange) => exchange.open().write(tick('e.3'));
    channel.postMessage(message);
    channel.postMessage(next);
    // It goes on with what it hears, or asks by itself.
    void bench.server.next().then(answer);
    answer(own);
    await tab.until(({ data }) => data.includes('e.3'));
    expect(tab.data.filter((data) => data === 'e.3')).toHaveLength(1);
    expect(tab.events.state).toBe('live');
  });
});
