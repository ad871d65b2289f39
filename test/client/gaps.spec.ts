import { describe, expect, it } from '@jest/globals';
import { ClientBench } from './support/client-bench.js';

const GAP =
  'id: e.9\nevent: gap\ndata: {"reason":"trimmed","requested":"e.1","resumedAt":"e.9"}\n\n';

describe('a gap', () => {
  const bench = ClientBench.use();

  it('comes to onGap, and what arrives meanwhile waits', async () => {
    const client = bench.connect({ lastEventId: 'e.1' });
    let mend: () => void = () => {};
    const asked = new Promise((reason) => {
      client.events.onGap((gap) => {
        reason(gap);
        return new Promise<void>((mended) => (mend = mended));
      });
    });
    const exchange = await bench.server.next();
    exchange.open().write(`${GAP}id: e.10\ndata: 10\n\n`);
    expect(await asked).toEqual({ reason: 'trimmed', requested: 'e.1', resumedAt: 'e.9' });
    exchange.write('id: e.11\ndata: 11\n\n');
    expect(client.events.state).toBe('catching-up');
    expect(client.received).toEqual([]);
    expect(client.events.lastEventId).toBe('e.1');
    mend();
    await client.receives(3);
    expect(client.received.map(({ id }) => id)).toEqual(['e.9', 'e.10', 'e.11']);
    expect(client.events.state).toBe('live');
  });

  it('is told again when the state could not be fetched: nothing that follows is taken', async () => {
    const client = bench.connect({ lastEventId: 'e.1' });
    let attempts = 0;
    client.events.onGap(async () => {
      if (++attempts === 1) throw new Error('no state');
    });
    (await bench.server.next()).open().write(`retry: 1\n\n${GAP}id: e.10\ndata: 10\n\n`);
    const again = await bench.server.next();
    expect(again.lastEventId).toBe('e.1');
    again.open().write(`${GAP}id: e.10\ndata: 10\n\n`);
    await client.receives(2);
    expect(client.received.map(({ id }) => id)).toEqual(['e.9', 'e.10']);
  });

  it('that is being mended when the client closes changes nothing any more', async () => {
    const client = bench.connect({ lastEventId: 'e.1' });
    const called = new Promise<void>((resolve) => {
      client.events.onGap(async () => {
        client.events.close();
        resolve();
      });
    });
    (await bench.server.next()).open().write(`${GAP}id: e.10\ndata: 10\n\n`);
    await called;
    await client.is('closed');
    expect(client.received).toEqual([]);
    expect(client.events.lastEventId).toBe('e.1');
  });
});

describe('what the server tells', () => {
  const bench = ClientBench.use();

  it('makes catching up a state of its own', async () => {
    const client = bench.connect({ lastEventId: 'e.1' });
    const exchange = await bench.server.next();
    exchange
      .open()
      .write('event: ready\ndata: {"cursor":"e.1","resumed":true,"heartbeatInterval":15000}\n\n');
    await client.is('catching-up');
    exchange.write('event: caught-up\ndata: {"cursor":"e.4","replayed":3}\n\n');
    await client.is('live');
  });

  it('is live at once for a new client', async () => {
    const client = bench.connect();
    const exchange = await bench.server.next();
    exchange
      .open()
      .write('event: ready\ndata: {"cursor":"e.1","resumed":false,"heartbeatInterval":false}\n\n');
    await client.receives(1);
    expect(client.events.state).toBe('live');
  });

  it('gives an exception as text, and comes back', async () => {
    const client = bench.connect();
    const exchange = await bench.server.next();
    exchange.open().write('retry: 1\nevent: exception\ndata: 42\n\n').end();
    await client.receives(1);
    expect(client.data).toEqual(['42']);
    (await bench.server.next()).open();
    await client.is('live');
  });
});
