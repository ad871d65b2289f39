import { describe, expect, it } from '@jest/globals';
import { Controller, type MessageEvent, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import { filter, type Observable } from 'rxjs';
import { eachAdapter } from '../support/each-adapter.js';
import { until } from '../support/until.js';

const ACCEPT = 'text/event-stream';
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0';
const SAFARI =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1';
const CHROMIUM =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36';

@Controller()
class NewsController {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Sse('first')
  first(): Observable<MessageEvent> {
    return this.bus
      .stream('news', { until: () => true })
      .pipe(filter(({ type }) => type !== 'dropped'));
  }
}

eachAdapter((bench) => {
  async function connect(path: string, headers: Record<string, string>) {
    const app = await bench.start({
      controllers: [NewsController],
      sse: { heartbeatInterval: 50, retry: false },
    });
    const bus = app.get(EventBus);
    await bus.publish('news', { data: 'before' });
    return { bus, client: await bench.connect(app, path, { headers }) };
  }

  describe.each([
    ['Firefox', FIREFOX],
    ['Safari', SAFARI],
  ])('an EventSource of %s, which keeps an id only with an event,', (_, agent) => {
    const headers = { accept: ACCEPT, 'user-agent': agent };

    it('gets one with the id that it begins with, and with that of a heartbeat', async () => {
      const { bus, client } = await connect('/news', headers);
      const begun = { type: 'sse-cursor', lastEventId: bus.head, data: JSON.stringify(bus.head) };
      expect(await client.next()).toMatchObject(begun);
      const id = await bus.publish('other', { data: 'not for it' });
      expect(await client.next()).toMatchObject({ type: 'sse-cursor', lastEventId: id });
      await bus.publish('news', { data: 'news' });
      expect(await client.next()).toMatchObject({ type: 'message', data: 'news' });
    });

    it('gets one with the id of an end that was dropped, and is answered 204 with that', async () => {
      const { bus, client } = await connect('/first', headers);
      await client.next();
      const id = await bus.publish('news', { type: 'dropped', data: '' });
      expect(await client.next()).toMatchObject({ type: 'sse-cursor', lastEventId: id });
      await client.closed;
    });
  });

  it.each([
    ['Chromium', { accept: ACCEPT, 'user-agent': CHROMIUM }],
    ['a program', { accept: ACCEPT }],
    ['fetch in Firefox', { accept: '*/*', 'user-agent': FIREFOX }],
    ['the client of this package in Firefox', { accept: `${ACCEPT},*/*`, 'user-agent': FIREFOX }],
  ])('gets no event for an id in %s', async (_, headers) => {
    const { bus, client } = await connect('/news', headers);
    const id = await bus.publish('other', { data: 'not for it' });
    await until('a heartbeat has its id', () => client.text.includes(`id: ${id}\n`));
    await bus.publish('news', { data: 'news' });
    expect(await client.next()).toMatchObject({ type: 'message', data: 'news' });
  });
});
