import { describe, expect, it } from '@jest/globals';
import { ClientBench } from './support/client-bench.js';

describe('the watchdog', () => {
  const bench = ClientBench.use();

  it('takes two and a half heartbeat intervals of silence for a dead connection', async () => {
    const client = bench.connect();
    const exchange = await bench.server.next();
    exchange.open({ 'sse-heartbeat-interval': '200' }).write('id: e.1\ndata: 1\n\n');
    await client.receives(1);
    const silentSince = Date.now();
    const next = await bench.server.next();
    expect(Date.now() - silentSince).toBeGreaterThanOrEqual(490);
    expect(next.lastEventId).toBe('e.1');
    await exchange.gone;
  });

  it('takes any bytes for a sign of life', async () => {
    const client = bench.connect();
    const exchange = await bench.server.next();
    exchange.open({ 'sse-heartbeat-interval': '400' });
    for (let beat = 0; beat < 6; beat++) {
      await new Promise((later) => setTimeout(later, 300));
      exchange.write(':');
    }
    exchange.write('\n\ndata: 1\n\n');
    await client.receives(1);
    expect(bench.server.requests).toBe(1);
  });

  it('watches a request that is not answered too', async () => {
    bench.connect({ heartbeatInterval: 100 });
    const exchange = await bench.server.next();
    await bench.server.next();
    await exchange.gone;
  });

  it('leaves a server in peace that says that it sends no heartbeats', async () => {
    const client = bench.connect({ heartbeatInterval: 50 });
    const exchange = await bench.server.next();
    exchange.open({ 'sse-heartbeat-interval': '0' });
    await client.is('live');
    // Past the silence and the grace that the option would have given.
    await new Promise((later) => setTimeout(later, 900));
    exchange.write('data: 1\n\n');
    await client.receives(1);
    expect(bench.server.requests).toBe(1);
  });

  it('does not count the time for which a gap is being mended', async () => {
    const client = bench.connect();
    client.events.onGap(() => new Promise((later) => setTimeout(later, 1_200)));
    const exchange = await bench.server.next();
    exchange
      .open({ 'sse-heartbeat-interval': '100' })
      .write('id: e.2\nevent: gap\ndata: {}\n\nid: e.3\ndata: 3\n\n');
    await client.receives(2);
    expect(bench.server.requests).toBe(1);
  });

  it('ends a POST, which is not sent again', async () => {
    const client = bench.connect({ method: 'POST', heartbeatInterval: 100 });
    (await bench.server.next()).open();
    await client.is('closed');
    expect(client.events.getSnapshot().error?.message).toBe('The server is silent');
  });
});
