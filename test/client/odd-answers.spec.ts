import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { elapse } from '../support/until.js';
import { ClientBench, type Listener } from './support/client-bench.js';
import { ScriptedServer } from './support/scripted-server.js';

const EVENT = 'retry: 1\nid: e.1\ndata: 1\n\n';
const NEXT = 'id: e.2\ndata: 2\n\n';

/** Waits for the wait itself: a client that does not pause at all never gets there. */
async function isRefused(client: Listener, status: number): Promise<void> {
  await client.is('waiting');
  expect(client.events.getSnapshot().error).toMatchObject({ status });
}

describe('Retry-After', () => {
  const bench = ClientBench.use();
  afterEach(() => void jest.restoreAllMocks());

  it('may be a date', async () => {
    const client = bench.connect({ retry: 1 });
    const refusal = await bench.server.next();
    const date = new Date(Date.now() + 2_000).toUTCString();
    refusal.answer(503, { 'retry-after': date });
    await isRefused(client, 503);
    await bench.server.next();
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(date) - 10);
  });

  it.each([
    ['the past', 'Sun, 06 Nov 1994 08:49:37 GMT'],
    ['the past of other clocks', '-0.001'],
    ['now', '0'],
    ['no time', 'soon'],
    ['nothing', ''],
    ['two times', '1, 2'],
  ])('of %s (%s) leaves it to the back-off of the client', async (_, after) => {
    const client = bench.connect({ retry: 1 });
    (await bench.server.next()).answer(503, { 'retry-after': after });
    await isRefused(client, 503);
    (await bench.server.next()).open().write(NEXT);
    await client.receives(1);
  });

  it('that passes while it is on its way leaves it to the back-off of the client', async () => {
    const client = bench.connect({ retry: 1 });
    const date = 'Sun, 06 Nov 1994 08:49:37 GMT';
    const exchange = await bench.server.next();
    jest.spyOn(Date, 'now').mockReturnValue(Date.parse(date) + 1);
    exchange.answer(503, { 'retry-after': date });
    await isRefused(client, 503);
    await bench.server.next();
  });

  it.each(['1e9', '1e400', 'Fri, 31 Dec 9999 23:59:59 GMT'])(
    'that is longer than timers are (%s) is waited for all the same',
    async (after) => {
      const client = bench.connect({ retry: 1 });
      (await bench.server.next()).answer(429, { 'retry-after': after });
      await isRefused(client, 429);
      // A timer that is given too much fires at once.
      await elapse(30);
      expect(bench.server.requests).toBe(1);
      client.events.update({ url: '/elsewhere' });
      expect((await bench.server.next()).url).toBe('/elsewhere');
    },
  );
});

describe('a retry', () => {
  const bench = ClientBench.use();

  it.each([
    ['timers', '99999999999'],
    ['numbers', '9'.repeat(400)],
  ])('that is longer than %s are is waited for all the same', async (_, retry) => {
    const client = bench.connect();
    (await bench.server.next()).open().write(`retry: ${retry}\n\n`).end();
    await client.is('live');
    await client.is('waiting');
    await elapse(30);
    expect(bench.server.requests).toBe(1);
  });
});

describe('a redirect', () => {
  const bench = ClientBench.use();

  it.each([301, 302, 303, 307, 308])('%s is followed, with the cursor', async (status) => {
    const client = bench.connect({ lastEventId: 'e.1', headers: { authorization: 'Bearer t' } });
    (await bench.server.next()).answer(status, { location: '/moved' });
    const moved = await bench.server.next();
    expect(moved.url).toBe('/moved');
    expect(moved.lastEventId).toBe('e.1');
    expect(moved.header('authorization')).toBe('Bearer t');
    moved.open().write('retry: 1\n\n').end();
    await client.is('waiting');
    expect((await bench.server.next()).url).toBe('/events');
  });

  it('to another origin takes the cursor along, and no token', async () => {
    const other = await ScriptedServer.start();
    const client = bench.connect({ lastEventId: 'e.1', headers: { authorization: 'Bearer t' } });
    (await bench.server.next()).answer(307, { location: other.url });
    const moved = await other.next();
    expect(moved.lastEventId).toBe('e.1');
    expect(moved.header('authorization')).toBeUndefined();
    moved.open().write(NEXT);
    await client.receives(1);
    await other.stop();
  });

  it('without an end is a fault that may pass', async () => {
    const client = bench.connect({ retry: 1 });
    let hops = 0;
    while (client.events.state !== 'waiting') {
      hops++;
      (await bench.server.next()).answer(302, { location: `/${hops}` });
      await Promise.race([client.is('waiting'), elapse(5)]);
    }
    expect(hops).toBeGreaterThan(5);
    expect(client.events.getSnapshot().error).toMatchObject({ name: 'TypeError' });
    (await bench.server.next()).open().write(NEXT);
    await client.receives(1);
  });
});

describe('a body', () => {
  const bench = ClientBench.use();

  it('may be compressed', async () => {
    const client = bench.connect();
    const zipped = gzipSync(EVENT);
    const exchange = await bench.server.next();
    exchange.open({ 'content-encoding': 'gzip' });
    for (const byte of zipped) await exchange.writePart(Uint8Array.of(byte));
    await client.receives(1);
    exchange.end();
    expect((await bench.server.next()).lastEventId).toBe('e.1');
  });

  it.each([
    ['has no chunks as it says', 'transfer-encoding: chunked', `zz\r\n${EVENT}`],
    ['is shorter than it says', 'content-length: 1000', EVENT],
    ['is chunked without an end', 'transfer-encoding: chunked', `f00\r\n${EVENT}`],
  ])('that %s costs a reconnect', async (_, header, body) => {
    const client = bench.connect({ retry: 1 });
    const exchange = await bench.server.next();
    exchange.raw(`HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n${header}\r\n\r\n${body}`);
    exchange.cut();
    await client.is('waiting');
    expect(client.events.getSnapshot().error).toMatchObject({ name: 'TypeError' });
    (await bench.server.next()).open().write(NEXT);
    await client.until(({ data }) => data.includes(2));
  });

  it('that is not compressed as it says may leave fetch without a word: that is silence', async () => {
    const client = bench.connect({ heartbeatInterval: 100 });
    (await bench.server.next()).open({ 'content-encoding': 'gzip' }).write(EVENT);
    (await bench.server.next()).open().write(NEXT);
    await client.receives(1);
    expect(client.data).toEqual([2]);
  });

  it('may be of HTTP/1.0, without a length: its end is the end of the connection', async () => {
    const client = bench.connect();
    const exchange = await bench.server.next();
    exchange.raw(`HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n${EVENT}`);
    await client.receives(1);
    exchange.cut();
    expect((await bench.server.next()).lastEventId).toBe('e.1');
  });

  it('that is empty is an end', async () => {
    const client = bench.connect({ retry: 1 });
    (await bench.server.next()).answer(200, {
      'content-type': 'text/event-stream',
      'content-length': '0',
    });
    await client.is('waiting');
    expect(client.events.getSnapshot().error).toBeUndefined();
    (await bench.server.next()).open();
  });

  it('that is cut in a frame gives nothing of it', async () => {
    const client = bench.connect();
    const exchange = await bench.server.next();
    exchange.open().write(`${EVENT}id: e.2\ndata: half`);
    await client.receives(1);
    exchange.cut();
    const next = await bench.server.next();
    expect(next.lastEventId).toBe('e.1');
    next.open().write(NEXT);
    await client.receives(2);
    expect(client.data).toEqual([1, 2]);
  });

  it('is UTF-8 whatever its type says, and begins after a byte order mark', async () => {
    const client = bench.connect();
    const exchange = await bench.server.next();
    exchange.open({ 'content-type': 'text/event-stream; charset=iso-8859-1' });
    exchange.write('\uFEFFdata: "ü"\n\n\uFEFFdata: "not a field"\n\ndata: "\uFEFF"\n\n');
    await client.receives(2);
    expect(client.data).toEqual(['ü', '\uFEFF']);
  });

  it('keeps the cursor before an id with NUL, and goes on after a line of 1 MB', async () => {
    const client = bench.connect();
    const exchange = await bench.server.next();
    const long = 'x'.repeat(1_000_000);
    exchange.open().write(`${EVENT}id: e.\0\ndata: ${long}\n\n`);
    await client.receives(2);
    expect(client.received[1]).toEqual({ type: 'message', data: long, id: 'e.1' });
    exchange.end();
    expect((await bench.server.next()).lastEventId).toBe('e.1');
  });
});

describe('an answer', () => {
  const bench = ClientBench.use();

  it.each(['Text/Event-Stream', 'text/event-stream;charset=UTF-8', 'text/event-stream ; a="b;c"'])(
    'is a stream by its type, however that is written (%s)',
    async (type) => {
      const client = bench.connect();
      (await bench.server.next()).open({ 'content-type': type }).write(EVENT);
      await client.receives(1);
    },
  );

  it.each([
    [200, { 'content-type': 'application/json' }],
    [200, {}],
    [201, { 'content-type': 'text/event-stream' }],
    [205, { 'content-type': 'text/event-stream' }],
    [206, { 'content-type': 'text/event-stream' }],
    [300, { 'content-type': 'text/event-stream' }],
    [304, {}],
    [302, {}],
  ])('%s %j is no stream, which may pass', async (status, headers) => {
    const client = bench.connect({ retry: 1 });
    (await bench.server.next()).answer(status, headers, [205, 304].includes(status) ? '' : EVENT);
    await isRefused(client, status);
    (await bench.server.next()).open().write(NEXT);
    await client.receives(1);
    expect(client.data).toEqual([2]);
  });

  it('204 is the end whatever it says beside', async () => {
    const client = bench.connect();
    (await bench.server.next()).answer(204, {
      'content-type': 'text/event-stream',
      'retry-after': '1',
    });
    await client.is('closed');
    expect(client.events.getSnapshot().error).toBeUndefined();
  });

  it.each([402, 405, 408, 425, 451, 499])('%s is the end', async (status) => {
    const client = bench.connect();
    (await bench.server.next()).answer(status, { 'retry-after': '0' });
    await client.is('closed');
    expect(client.events.getSnapshot().error).toMatchObject({ status });
    expect(bench.server.requests).toBe(1);
  });

  it.each([500, 501, 507, 520, 599])('%s may pass, as a stream too', async (status) => {
    const client = bench.connect({ retry: 1 });
    (await bench.server.next()).answer(status, { 'content-type': 'text/event-stream' }, EVENT);
    await isRefused(client, status);
    (await bench.server.next()).open().write(NEXT);
    await client.receives(1);
    expect(client.data).toEqual([2]);
  });

  it('may come after hints', async () => {
    const client = bench.connect();
    (await bench.server.next())
      .raw('HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n')
      .open()
      .write(EVENT);
    await client.receives(1);
  });

  it.each(['SSH-2.0-OpenSSH_9.2\r\n', 'HTTP/1.1 two hundred\r\n\r\n', 'HTTP/1.1 200 OK\r\nconte'])(
    'that is none (%j) may pass',
    async (text) => {
      const client = bench.connect({ retry: 1 });
      (await bench.server.next()).raw(text).cut();
      await client.is('waiting');
      expect(client.events.getSnapshot().error).toMatchObject({ name: 'TypeError' });
      (await bench.server.next()).open().write(NEXT);
      await client.receives(1);
    },
  );

  it('of which half the head comes, and then nothing, is silence', async () => {
    const client = bench.connect({ heartbeatInterval: 100 });
    const exchange = await bench.server.next();
    exchange.raw('HTTP/1.1 200 OK\r\ncontent-type: text/event-');
    (await bench.server.next()).open().write(NEXT);
    await client.receives(1);
    await exchange.gone;
  });
});
