import { createContext, SourceTextModule } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { lastValueFrom, toArray } from 'rxjs';
import { fromEvents } from 'nestjs-event-stream/client/rxjs';
import { bundle } from './support/bundle.js';
import { ClientBench } from './support/client-bench.js';

it('importing the client touches no global: it works where there is none', async () => {
  const text = (await bundle()).get('index.js') ?? '';
  const module = new SourceTextModule(text, { context: createContext({}) });
  await module.link(() => {
    throw new Error('It imports something');
  });
  await module.evaluate();
  expect(Object.keys(module.namespace)).toEqual(['connectEvents']);
});

describe('fromEvents', () => {
  const bench = ClientBench.use();

  it('is an Observable of one type, which completes with the events', async () => {
    const { events } = bench.connect();
    const all = lastValueFrom(fromEvents(events, 'paid').pipe(toArray()));
    const exchange = await bench.server.next();
    exchange
      .open()
      .write('data: 1\n\nevent: paid\ndata: 2\n\nevent: closed\ndata: {"reason":"replaced"}\n\n');
    expect(await all).toEqual([{ type: 'paid', data: 2, id: '' }]);
  });

  it('fails when the events end for an error', async () => {
    const { events } = bench.connect();
    const all = lastValueFrom(fromEvents(events));
    (await bench.server.next()).answer(404);
    await expect(all).rejects.toMatchObject({ status: 404 });
  });

  it('leaves the events open when it is unsubscribed from', async () => {
    const client = bench.connect();
    fromEvents(client.events).subscribe().unsubscribe();
    (await bench.server.next()).open().write('data: 1\n\n');
    await client.receives(1);
    expect(client.events.state).toBe('live');
  });
});
