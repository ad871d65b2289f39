import { describe, expect, it } from '@jest/globals';
import { connectEvents } from 'nestjs-event-stream/client';
import { from, lastValueFrom, toArray } from 'rxjs';
import { ClientBench } from './support/client-bench.js';

describe('the client', () => {
  const bench = ClientBench.use();

  it('dispatches events with their type, data and id, JSON as what it says', async () => {
    const client = bench.connect();
    const exchange = await bench.server.next();
    exchange.open().write('id: e.1\nevent: paid\ndata: {"n":1}\n\ndata: two\ndata: lines\n\n');
    await client.receives(2);
    expect(client.received).toEqual([
      { type: 'paid', data: { n: 1 }, id: 'e.1' },
      { type: 'message', data: 'two\nlines', id: 'e.1' },
    ]);
  });

  it('asks by GET for an event stream, and says that it is none of the EventSources', async () => {
    bench.connect();
    const exchange = await bench.server.next();
    expect(exchange.method).toBe('GET');
    expect(exchange.header('accept')).toBe('text/event-stream,*/*');
    expect(exchange.lastEventId).toBeUndefined();
  });

  it('goes on from a stored cursor the first time too, and hands its cursor out', async () => {
    const client = bench.connect({ lastEventId: 'e.7' });
    expect(client.events.lastEventId).toBe('e.7');
    const exchange = await bench.server.next();
    expect(exchange.lastEventId).toBe('e.7');
    exchange.open().write('id: e.9\n\n').write('data: 1\n\n');
    await client.receives(1);
    expect(client.events.lastEventId).toBe('e.9');
  });

  it('takes the id of a frame without data, as heartbeats are', async () => {
    const client = bench.connect();
    const exchange = await bench.server.next();
    exchange.open().write('retry: 1\nid: e.3\n\n:\n\nid: e.5\n\n').end();
    expect((await bench.server.next()).lastEventId).toBe('e.5');
    expect(client.received).toEqual([]);
  });

  it('takes nothing of half a frame, its id neither', async () => {
    const client = bench.connect();
    const exchange = await bench.server.next();
    exchange.open().write('retry: 1\n\nid: e.1\ndata: 1\n\nid: e.2\ndata: 2\n').end();
    const next = await bench.server.next();
    expect(next.lastEventId).toBe('e.1');
    next.open().write('id: e.2\ndata: 2\n\n');
    await client.receives(2);
    expect(client.data).toEqual([1, 2]);
  });

  it('sends any method, body and headers', async () => {
    bench.connect({
      method: 'POST',
      body: '{"prompt":1}',
      headers: async () => ({ authorization: 'Bearer t' }),
    });
    const exchange = await bench.server.next();
    expect(exchange.method).toBe('POST');
    expect(exchange.header('authorization')).toBe('Bearer t');
    expect(await exchange.body()).toBe('{"prompt":1}');
  });

  it('dispatches nothing after close(), and keeps the cursor of what it has dispatched', async () => {
    const client = bench.connect();
    client.events.on('message', () => client.events.close());
    const exchange = await bench.server.next();
    exchange.open().write('id: e.1\ndata: 1\n\nid: e.2\ndata: 2\n\nid: e.3\n\n');
    await client.is('closed');
    await exchange.gone;
    expect(client.data).not.toContain(2);
    expect(client.events.lastEventId).toBe('e.1');
  });

  it('is not stopped by a listener that throws', async () => {
    const errors: unknown[] = [];
    const { error } = console;
    console.error = (reason: unknown) => errors.push(reason);
    const client = bench.connect();
    client.events.on('message', () => {
      throw new Error('of the listener');
    });
    const exchange = await bench.server.next();
    exchange.open().write('data: 1\n\ndata: 2\n\n');
    await client.receives(2);
    console.error = error;
    expect(errors.map(String)).toEqual(['Error: of the listener', 'Error: of the listener']);
  });

  it('changes its URL and goes on at its cursor', async () => {
    const client = bench.connect();
    const exchange = await bench.server.next();
    exchange.open().write('id: e.4\ndata: 1\n\n');
    await client.receives(1);
    client.events.update({ query: { topics: 'a,b' } });
    await exchange.gone;
    const next = await bench.server.next();
    expect(next.url).toBe('/events?topics=a%2Cb');
    expect(next.lastEventId).toBe('e.4');
    client.events.update({ url: '/elsewhere' });
    expect((await bench.server.next()).url).toBe('/elsewhere');
  });

  it('is an async iterable that ends with it', async () => {
    const { events } = bench.connect();
    const seen: unknown[] = [];
    const iterated = (async () => {
      for await (const { data } of events) seen.push(data);
    })();
    const exchange = await bench.server.next();
    exchange.open().write('data: 1\n\ndata: 2\n\nevent: closed\ndata: {"reason":"replaced"}\n\n');
    await iterated;
    expect(seen).toEqual([1, 2, { reason: 'replaced' }]);
  });

  it('throws out of the iteration what ended it', async () => {
    const { events } = bench.connect();
    const iteration = events[Symbol.asyncIterator]().next();
    (await bench.server.next()).answer(404);
    await expect(iteration).rejects.toMatchObject({ status: 404 });
  });

  it('is an observable for RxJS', async () => {
    const { events } = bench.connect();
    const all = lastValueFrom(from(events as never).pipe(toArray()));
    const exchange = await bench.server.next();
    exchange.open().write('data: 1\n\nevent: closed\ndata: {}\n\n');
    expect(await all).toMatchObject([{ data: 1 }, { type: 'closed' }]);
  });

  it('gives the same snapshot until something changes', async () => {
    const { events } = bench.connect();
    const before = events.getSnapshot();
    expect(events.getSnapshot()).toBe(before);
    const changed = new Promise<void>((resolve) => {
      const stop = events.subscribe(() => {
        stop();
        resolve();
      });
    });
    (await bench.server.next()).open();
    await changed;
    expect(events.getSnapshot()).not.toBe(before);
    expect(events.getSnapshot()).toEqual({ state: 'live', event: undefined, error: undefined });
  });

  it('refuses a relative URL where there is no page', () => {
    expect(() => connectEvents('/events')).toThrow('Invalid URL');
  });
});
