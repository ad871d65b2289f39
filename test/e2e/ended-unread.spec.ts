import { expect, it } from '@jest/globals';
import { Controller, type MessageEvent, Sse } from '@nestjs/common';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { map, type Observable } from 'rxjs';
import { eachAdapter } from '../support/each-adapter.js';

@Controller()
class Routes {
  constructor(
    private readonly bus: EventBus,
    private readonly connections: SseConnections,
  ) {}

  @Sse('plain')
  plain(): Observable<MessageEvent> {
    void this.#closeOnce();
    return this.bus.stream('news');
  }

  @Sse('operators')
  operators(): Observable<MessageEvent> {
    void this.#closeOnce();
    return this.bus.stream('news').pipe(map((event) => ({ ...event, type: 'mapped' })));
  }

  @Sse('snapshot')
  snapshot(): Observable<MessageEvent> {
    void this.#closeOnce();
    return this.bus.stream('news', { snapshot: () => [{ type: 'state', data: 'all' }] });
  }

  /** Closes the first connection as soon as it streams, which is before anything is read for it. */
  async #closeOnce(): Promise<void> {
    if (!this.bus.head.endsWith('.1')) return;
    const isStreaming = () => this.connections.list().some(({ topics }) => topics.length > 0);
    for (let turn = 0; turn < 10_000 && !isStreaming(); turn++) await Promise.resolve();
    expect(this.connections.close()).toBe(1);
    await this.bus.publish('news', { data: 'meanwhile' });
  }
}

eachAdapter((bench) => {
  it.each([
    ['/plain', 'message'],
    ['/operators', 'mapped'],
  ])(
    'a client of %s whose connection ends before anything was read for it misses nothing that comes meanwhile',
    async (path, type) => {
      const app = await bench.start({ controllers: [Routes], sse: { retry: false } });
      const bus = app.get(EventBus);
      const begun = await bus.publish('news', { data: 'before' });
      const first = await bench.connect(app, path);
      await first.closed;
      expect(first.lastEventId).toBe(begun);
      const headers = { 'last-event-id': first.lastEventId };
      const again = await bench.connect(app, path, { headers });
      expect(await again.next()).toMatchObject({ type, data: 'meanwhile' });
    },
  );

  it('a client to which a snapshot is owed has no place, and gets the snapshot when it is back', async () => {
    const app = await bench.start({ controllers: [Routes], sse: { retry: false } });
    await app.get(EventBus).publish('news', { data: 'before' });
    const first = await bench.connect(app, '/snapshot');
    await first.closed;
    expect(first.lastEventId).toBe('');
    const again = await bench.connect(app, '/snapshot');
    expect(await again.next()).toMatchObject({ type: 'state', data: 'all' });
  });
});
