import { getEventListeners } from 'node:events';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { sharedBy } from '../../src/client/share.js';
import type { Sink } from '../../src/client/link.js';
import { until } from '../support/until.js';
import { ClientBench } from './support/client-bench.js';

describe('a watcher', () => {
  const bench = ClientBench.use();

  it('that closes while a request is about to be sent: none is sent', async () => {
    const client = bench.connect();
    client.events.subscribe(() => {
      if (client.events.state === 'connecting') client.events.close();
    });
    (await bench.server.next()).open().write('retry: 1\n\n').end();
    await client.is('closed');
    await new Promise((later) => setTimeout(later, 20));
    expect(bench.server.requests).toBe(1);
  });

  it('that changes the URL as the wait begins is not kept waiting', async () => {
    const client = bench.connect({ retry: 100_000 });
    client.events.subscribe(() => {
      if (client.events.state === 'waiting') client.events.update({ url: '/elsewhere' });
    });
    (await bench.server.next()).answer(502);
    expect((await bench.server.next()).url).toBe('/elsewhere');
  });
});

describe('an iterator', () => {
  const bench = ClientBench.use();

  it.each(['return', 'throw'] as const)('ends with %s() while it waits', async (how) => {
    const { events } = bench.connect();
    (await bench.server.next()).open();
    const iterator = events[Symbol.asyncIterator]();
    const next = iterator.next();
    const left = iterator[how]?.(new Error('enough')).catch((error: unknown) => String(error));
    expect(await next).toEqual({ done: true, value: undefined });
    expect(await left).toEqual(
      how === 'throw' ? 'Error: enough' : expect.objectContaining({ done: true }),
    );
    expect(events.state).not.toBe('closed');
  });

  it('that nobody reads holds 10,000 events, gives them, and then fails', async () => {
    const client = bench.connect();
    const iterator = client.events[Symbol.asyncIterator]();
    const first = iterator.next();
    const texts = Array.from({ length: 10_010 }, (_, n) => `data: ${n}\n\n`);
    (await bench.server.next()).open().write(texts.join(''));
    await first;
    await client.receives(10_010);
    let taken = 1;
    const take = async () => {
      while (!(await iterator.next()).done) taken++;
    };
    await expect(take()).rejects.toThrow('Too many events');
    expect(taken).toBeGreaterThanOrEqual(10_000);
    expect(taken).toBeLessThan(10_010);
  });
});

describe('a clock', () => {
  const bench = ClientBench.use();
  afterEach(() => void jest.restoreAllMocks());

  it('that is set back hides no silence', async () => {
    const client = bench.connect();
    (await bench.server.next()).open({ 'sse-heartbeat-interval': '100' }).write('data: 1\n\n');
    await client.receives(1);
    // The time of the bytes is taken once they have been dispatched.
    await new Promise((turn) => setImmediate(turn));
    const { now } = Date;
    jest.spyOn(Date, 'now').mockImplementation(() => now() - 3_600_000);
    await bench.server.next();
  });
});

describe('a retry of 0', () => {
  const bench = ClientBench.use();

  it('is no reason to come back to a 502 without any pause', async () => {
    const client = bench.connect();
    (await bench.server.next()).open().write('retry: 0\n\n').end();
    for (let failure = 0; failure < 8; failure++) (await bench.server.next()).answer(502);
    const failedAt = Date.now();
    await bench.server.next();
    expect(Date.now() - failedAt).toBeGreaterThanOrEqual(50);
    expect(client.events.state).toBe('connecting');
  });
});

describe('sharing', () => {
  const own = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  afterEach(() => {
    if (own) Object.defineProperty(globalThis, 'navigator', own);
    else Reflect.deleteProperty(globalThis, 'navigator');
  });

  it('asks once where locks are denied, and has a connection of its own', async () => {
    let asked = 0;
    const denied = Object.assign(new Error('denied'), { name: 'SecurityError' });
    const request = () => (++asked > 50 ? new Promise(() => {}) : Promise.reject(denied));
    Object.defineProperty(globalThis, 'navigator', {
      value: { locks: { request } },
      configurable: true,
    });
    const sink: Sink = { cursor: '', isOver: false, take: async () => {}, change() {}, end() {} };
    let opened = 0;
    const open = () => {
      opened++;
      return { move() {}, close() {} };
    };
    const link = sharedBy('ada', open)(new URL('http://a.test/'), {}, sink);
    await until('it has a connection', () => opened > 0 && asked > 0);
    await new Promise((later) => setTimeout(later, 100));
    link.close();
    expect({ asked, opened }).toEqual({ asked: 1, opened: 1 });
  });

  it('goes on by itself after a message that it cannot understand', async () => {
    const names: string[] = [];
    const request = (name: string) => {
      names.push(name);
      return new Promise(() => {});
    };
    Object.defineProperty(globalThis, 'navigator', {
      value: { locks: { request } },
      configurable: true,
    });
    const sink = {
      cursor: 'e.1',
      isOver: false,
      async take(frames: readonly { id: string | undefined }[]) {
        for (const { id } of frames) this.cursor = id ?? this.cursor;
      },
      change() {},
      end() {},
    };
    const open = () => ({ move() {}, close() {} });
    const link = sharedBy('ada', open)(new URL('http://a.test/'), {}, sink);
    await until('it has asked for the lock', () => names.length === 1);
    const channel = new BroadcastChannel(names[0] ?? '');
    const quiet = 1e6;
    channel.postMessage(null);
    channel.postMessage({ from: 'e.1', frames: 7, quiet });
    channel.postMessage({ from: 'e.1', frames: [null], quiet });
    channel.postMessage({ from: 'e.1', frames: [{ id: 'e.2', type: 'tick', data: '1' }], quiet });
    await until('it follows', () => sink.cursor === 'e.2');
    link.close();
    channel.close();
  });
});

describe('a body that is a stream', () => {
  const bench = ClientBench.use();
  const stream = () => new Blob(['x']).stream() as ReadableStream;

  it('cannot be resumable, since it can be read once: that is said at once', async () => {
    const options = { method: 'POST', resumable: true };
    expect(() => bench.connect({ ...options, body: stream() })).toThrow(
      'A stream body is not resumable',
    );
    expect(() => bench.connect({ ...options, body: Readable.from(['x']) as never })).toThrow(
      TypeError,
    );
    const client = bench.connect({ ...options, body: new Blob(['x']) });
    (await bench.server.next()).open();
    await client.is('live');
    expect(bench.server.requests).toBe(1);
  });

  it('is sent once', async () => {
    const client = bench.connect({ method: 'POST', body: stream(), duplex: 'half' } as never);
    const exchange = await bench.server.next();
    expect(await exchange.body()).toBe('x');
    exchange.open().write('data: 1\n\n').end();
    await client.is('closed');
    expect(client.data).toEqual([1]);
  });
});

describe('an id', () => {
  const bench = ClientBench.use();

  it('goes back as the bytes that it came as', async () => {
    const client = bench.connect({ lastEventId: 'é€😀' });
    const first = await bench.server.next();
    expect(Buffer.from(first.lastEventId ?? '', 'latin1').toString()).toBe('é€😀');
    first.open().write('retry: 1\nid: ü€\ndata: 1\n\n').end();
    const next = await bench.server.next();
    expect(Buffer.from(next.lastEventId ?? '', 'latin1').toString()).toBe('ü€');
    expect(client.events.lastEventId).toBe('ü€');
  });
});

describe('a network that comes back', () => {
  const bench = ClientBench.use();
  const page = new EventTarget();
  beforeEach(() => {
    Object.assign(globalThis, { addEventListener: page.addEventListener.bind(page) });
  });
  afterEach(() => void Reflect.deleteProperty(globalThis, 'addEventListener'));

  it.each(['online', 'visibilitychange', 'pageshow'])(
    'or a tab that is shown (%s) does not change when a server that refused is asked again',
    async (type) => {
      const client = bench.connect({ retry: 200, heartbeatInterval: 0 });
      const refused = await bench.server.next();
      const refusedAt = Date.now();
      refused.answer(502);
      await client.is('waiting');
      page.dispatchEvent(new Event(type));
      await bench.server.next();
      expect(Date.now() - refusedAt).toBeGreaterThanOrEqual(95);
    },
  );

  it('ends the wait for it', async () => {
    const client = bench.connect({ retry: 1e6 });
    const exchange = await bench.server.next();
    exchange.cut();
    await client.is('waiting');
    page.dispatchEvent(new Event('online'));
    await bench.server.next();
  });

  it('is listened to by none that is closed', async () => {
    const client = bench.connect();
    expect(getEventListeners(page, 'online')).toHaveLength(1);
    client.events.close();
    expect(getEventListeners(page, 'online')).toEqual([]);
  });
});
