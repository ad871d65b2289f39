import { expect, it } from '@jest/globals';
import { Controller, type MessageEvent, Sse } from '@nestjs/common';
import { delay, map, type Observable, share } from 'rxjs';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { eachAdapter } from '../support/each-adapter.js';
import { until } from '../support/until.js';

@Controller()
class Routes {
  #shared: Observable<MessageEvent> | undefined;

  constructor(private readonly bus: EventBus) {}

  @Sse('shared')
  shared(): Observable<MessageEvent> {
    return (this.#shared ??= this.bus.stream('news').pipe(share()));
  }

  @Sse('throwing-id')
  throwingId(): Observable<MessageEvent> {
    return this.bus.stream('news').pipe(
      delay(1),
      map(({ data }) => ({
        data,
        get id(): string {
          throw new Error('No id');
        },
      })),
    );
  }

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }
}

eachAdapter((bench) => {
  it('ends a stream that outlives the connection it was opened for, and says so', async () => {
    const app = await bench.start({ controllers: [Routes], sse: { openTimeout: 20 } });
    const first = await bench.connect(app, '/shared');
    const second = await bench.connect(app, '/shared');
    const bus = app.get(EventBus);
    await until('two connections', () => app.get(SseConnections).count === 2);
    await bus.publish('news', { data: 'both' });
    await Promise.all([first.next(), second.next()]);
    first.close();
    // The second client is not left with a stream that nothing reaches any more: it comes back.
    await second.closed;
    expect(bench.logs.find('warn', 'outlived the connection')).toHaveLength(1);
    const again = await bench.connect(app, '/shared');
    await bus.publish('news', { data: 'again' });
    expect((await again.next()).data).toBe('again');
  });

  it('takes a message whose id throws as one without an id', async () => {
    const app = await bench.start({ controllers: [Routes] });
    const client = await bench.connect(app, '/throwing-id');
    await until('a stream', () => app.get(SseConnections).list()[0]?.topics.length === 1);
    await app.get(EventBus).publish('news', { data: 'lost to its own getter' });
    await until('it is logged', () => bench.logs.find('error', 'A message was dropped').length > 0);
    expect(app.get(SseConnections).count).toBe(1);
    client.close();
  });
});
