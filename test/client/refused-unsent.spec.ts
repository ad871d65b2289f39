import { describe, expect, it } from '@jest/globals';
import type { EventsOptions } from 'nestjs-event-stream/client';
import { ClientBench } from './support/client-bench.js';

describe('a request that fetch refuses before it asks the network', () => {
  const bench = ClientBench.use();

  it.each<[string, EventsOptions]>([
    ['a GET with a body', { body: 'x' }],
    ['a GET with an empty body', { body: '' }],
    ['a forbidden method', { method: 'TRACE' }],
  ])('ends it, with what is wrong: %s', async (_, options) => {
    const client = bench.connect(options);
    const iteration = client.events[Symbol.asyncIterator]().next();
    await expect(iteration).rejects.toMatchObject({ name: 'TypeError' });
    expect(client.events.state).toBe('closed');
    expect(bench.server.requests).toBe(0);
  });

  it('is none of which only the headers fail: they are asked for again', async () => {
    let asked = 0;
    const client = bench.connect({
      retry: 1,
      headers: async () => {
        if (++asked === 1) throw new TypeError('fetch failed');
        return { authorization: 'Bearer t' };
      },
    });
    const exchange = await bench.server.next();
    expect(exchange.header('authorization')).toBe('Bearer t');
    exchange.open();
    await client.is('live');
  });
});
