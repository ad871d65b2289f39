import { describe, expect, it } from '@jest/globals';
import { ClientBench } from './support/client-bench.js';
import { ScriptedServer } from './support/scripted-server.js';

const EVENT = 'retry: 1\nid: e.1\ndata: 1\n\n';

describe('the client comes back', () => {
  const bench = ClientBench.use();

  it.each([500, 502, 503, 504, 429])('after %s', async (status) => {
    const client = bench.connect();
    (await bench.server.next()).open().write(EVENT).end();
    (await bench.server.next()).answer(status);
    await client.is('waiting');
    expect(client.events.getSnapshot().error).toMatchObject({ status });
    const next = await bench.server.next();
    expect(next.lastEventId).toBe('e.1');
    next.open().write('id: e.2\ndata: 2\n\n');
    await client.receives(2);
    expect(client.data).toEqual([1, 2]);
    expect(client.events.getSnapshot()).toMatchObject({ state: 'live', error: undefined });
  });

  it.each([
    ['the end of the response', 'end'],
    ['a cut', 'cut'],
  ] as const)('after %s', async (_, how) => {
    const client = bench.connect();
    const exchange = await bench.server.next();
    exchange.open().write(EVENT);
    await client.receives(1);
    exchange[how]();
    expect((await bench.server.next()).lastEventId).toBe('e.1');
  });

  it('after an answer that is not a stream, and says what came', async () => {
    const client = bench.connect();
    (await bench.server.next()).open().write(EVENT).end();
    (await bench.server.next()).answer(200, { 'content-type': 'text/html' }, '<html>');
    await client.is('waiting');
    expect(client.events.getSnapshot().error?.message).toBe('The server answered 200 text/html');
    (await bench.server.next()).open();
    await client.is('live');
  });

  it('after garbage, which dispatches nothing', async () => {
    const client = bench.connect();
    const bytes = Uint8Array.from({ length: 4_096 }, (_, index) => (index * 7 + 11) % 256);
    (await bench.server.next()).open().write('retry: 1\n\n').write(bytes).end();
    (await bench.server.next()).open().write('id: e.2\ndata: 2\n\n');
    await client.receives(1);
    expect(client.received).toEqual([{ type: 'message', data: 2, id: 'e.2' }]);
  });

  it('when the server is there again', async () => {
    const client = bench.connect();
    const exchange = await bench.server.next();
    exchange.open().write(EVENT);
    await client.receives(1);
    const { port } = bench.server;
    await bench.server.stop();
    await client.until(({ events }) => events.getSnapshot().error !== undefined);
    bench.server = await ScriptedServer.start(port);
    expect((await bench.server.next()).lastEventId).toBe('e.1');
  });

  it('not before the time that Retry-After gives', async () => {
    const client = bench.connect();
    (await bench.server.next()).open().write(EVENT).end();
    const refusal = await bench.server.next();
    const refusedAt = Date.now();
    refusal.answer(429, { 'retry-after': '1' });
    await bench.server.next();
    expect(Date.now() - refusedAt).toBeGreaterThanOrEqual(990);
    expect(client.events.state).toBe('connecting');
  });
});

describe('the client stays away', () => {
  const bench = ClientBench.use();

  it('after 204, without an error', async () => {
    const client = bench.connect();
    (await bench.server.next()).answer(204);
    await client.is('closed');
    expect(client.events.getSnapshot().error).toBeUndefined();
  });

  it.each([400, 404, 409, 410, 422])('after %s, and says so', async (status) => {
    const client = bench.connect();
    (await bench.server.next()).answer(status);
    await client.is('closed');
    expect(client.events.getSnapshot().error).toMatchObject({ status });
  });

  it.each([401, 403])('after %s, once it has asked for headers again', async (status) => {
    const asked: (number | undefined)[] = [];
    const client = bench.connect({
      headers: (refused) => {
        asked.push(refused);
        return { authorization: String(asked.length) };
      },
    });
    (await bench.server.next()).answer(status);
    const second = await bench.server.next();
    expect(second.header('authorization')).toBe('2');
    second.answer(status);
    await client.is('closed');
    expect(asked).toEqual([undefined, status]);
    expect(client.events.getSnapshot().error).toMatchObject({ status });
  });

  it('goes on with new headers, and asks anew for the next refusal', async () => {
    const client = bench.connect({ headers: async () => ({}) });
    for (let round = 0; round < 2; round++) {
      (await bench.server.next()).answer(401);
      (await bench.server.next()).open().write('retry: 1\n\n').end();
    }
    (await bench.server.next()).open();
    await client.is('live');
  });

  it('after 401 at once if its headers are fixed', async () => {
    const client = bench.connect({ headers: { authorization: 'old' } });
    (await bench.server.next()).answer(401);
    await client.is('closed');
    expect(bench.server.requests).toBe(1);
  });

  it.each([
    ['closed', '{"reason":"replaced"}'],
    ['run-end', '{"status":"done"}'],
  ])('after %s', async (type, data) => {
    const client = bench.connect();
    const exchange = await bench.server.next();
    exchange.open().write(`retry: 1\nevent: ${type}\ndata: ${data}\n\n`).end();
    await client.is('closed');
    expect(client.received).toEqual([{ type, data: JSON.parse(data) as unknown, id: '' }]);
    expect(client.events.getSnapshot().error).toBeUndefined();
  });
});

describe('a POST', () => {
  const bench = ClientBench.use();

  it('is not sent again: its end is the end', async () => {
    const client = bench.connect({ method: 'POST', body: '1' });
    (await bench.server.next()).open().write(EVENT).end();
    await client.is('closed');
    expect(client.events.getSnapshot()).toMatchObject({ error: undefined });
    expect(bench.server.requests).toBe(1);
  });

  it.each(['cut', '502'])('is not sent again after %s: that is an error', async (how) => {
    const client = bench.connect({ method: 'POST', body: '1' });
    const exchange = await bench.server.next();
    if (how === 'cut') exchange.open().write('data: 1\n\n').cut();
    else exchange.answer(502);
    await client.is('closed');
    expect(client.events.getSnapshot().error).toBeDefined();
    expect(bench.server.requests).toBe(1);
  });

  it('is sent again at the cursor if it is resumable', async () => {
    const client = bench.connect({ method: 'POST', body: 'x', resumable: true });
    const exchange = await bench.server.next();
    exchange.open().write(EVENT);
    await client.receives(1);
    exchange.cut();
    const next = await bench.server.next();
    expect(next.lastEventId).toBe('e.1');
    expect(await next.body()).toBe('x');
  });
});
