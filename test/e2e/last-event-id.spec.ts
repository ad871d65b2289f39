import { expect, it } from '@jest/globals';
import { connect } from 'node:net';
import { Controller, type MessageEvent, Sse } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { EventBus } from 'nestjs-event-stream';
import { eachAdapter, urlOf } from '../support/each-adapter.js';
import { until } from '../support/until.js';

@Controller()
class NewsController {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }
}

eachAdapter((bench) => {
  async function start() {
    const app = await bench.start(NewsController);
    const bus = app.get(EventBus);
    await bus.publish('news', { data: 'before' });
    return { app, bus, epoch: bus.head.split('.')[0] ?? '' };
  }

  it.each<[string, (epoch: string) => string]>([
    ['a word', () => 'garbage'],
    ['a number', () => '1'],
    ['spaces', () => 'a b c'],
    ['a negative offset', (epoch) => `${epoch}.-1`],
    ['an exponent', (epoch) => `${epoch}.1e3`],
    ['hexadecimal', (epoch) => `${epoch}.0x1`],
    ['a fraction', (epoch) => `${epoch}.1.5`],
    ['a leading zero', (epoch) => `${epoch}.01`],
    ['no offset', (epoch) => `${epoch}.`],
    ['more than a number holds', (epoch) => `${epoch}.99999999999999999999`],
    ['an offset that was never issued', (epoch) => `${epoch}.999`],
    ['other alphabets', () => 'größer 日本 🦊'],
    ['bytes above ASCII', () => '\u00ff\u00fe\u0080'],
    ['a tab', () => 'a\tb'],
    ['8 KiB', () => 'x'.repeat(8_192)],
    ['a prototype', () => '__proto__'],
    ['JSON', () => '{"$ne":1}'],
  ])('tells a client that comes with %s so, and goes on live', async (_, of) => {
    const { app, bus, epoch } = await start();
    const requested = of(epoch);
    const client = await bench.connect(app, '/news', { lastEventId: requested });
    expect(client.status).toBe(200);
    const gap = await client.next();
    expect(gap.type).toBe('gap');
    expect(gap.json()).toMatchObject({
      reason: 'unknown',
      requested: requested.slice(0, 128),
      resumedAt: bus.head,
    });
    const id = await bus.publish('news', { data: 'after' });
    expect(await client.next()).toMatchObject({ data: 'after', lastEventId: id });
  });

  it('finds ?lastEventId= in a query that has other question marks in it', async () => {
    const { app, bus } = await start();
    const head = bus.head;
    await bus.publish('news', { data: 'after' });
    for (const query of [
      `page=/orders?tab=open&lastEventId=${head}`,
      `lastEventId=${head}&q=?`,
      `?&lastEventId=${head}`,
    ]) {
      const client = await bench.connect(app, `/news?${query}`);
      expect((await client.next()).data).toBe('after');
    }
  });

  it('tells a client that comes with the cursor of another log so, and begins with the oldest event', async () => {
    const { app } = await start();
    const client = await bench.connect(app, '/news', { lastEventId: '0123456789ab.5' });
    expect((await client.next('gap')).json()).toMatchObject({ reason: 'epoch' });
    expect((await client.next()).data).toBe('before');
  });

  it('takes an empty one for none', async () => {
    const { app, bus } = await start();
    const client = await bench.connect(app, '/news?lastEventId=', { lastEventId: '' });
    await bus.publish('news', { data: 'after' });
    expect(await client.next()).toMatchObject({ type: 'message', data: 'after' });
  });

  it('takes garbage in ?lastEventId= as calmly', async () => {
    const { app, bus } = await start();
    for (const query of ['%', '%00%ff%0d%0adata:x', 'a&lastEventId=b', '%F0%9F', '[]']) {
      const client = await bench.connect(app, `/news?lastEventId=${query}`);
      expect(client.status).toBe(200);
      expect((await client.next()).type).toBe('gap');
      await bus.publish('news', { data: 'x' });
      expect((await client.next()).data).toBe('x');
      client.close();
    }
  });

  it('logs nothing of it as an error', async () => {
    const { app } = await start();
    const client = await bench.connect(app, '/news', { lastEventId: 'garbage' });
    await client.next('gap');
    expect(bench.logs.find('error', '')).toEqual([]);
  });

  if (!bench.isHttp2) {
    it('survives raw bytes, and two headers of that name', async () => {
      const { app, bus } = await start();
      const { port } = new URL(urlOf(app));
      for (const header of [
        Buffer.from([0xff, 0xfe, 0x80, 0x01 + 0x1f]),
        'a\r\nLast-Event-ID: b',
      ]) {
        const socket = connect(Number(port), '127.0.0.1');
        let text = '';
        socket.on('data', (bytes) => (text += bytes.toString('latin1')));
        socket.write('GET /news HTTP/1.1\r\nHost: x\r\nLast-Event-ID: ');
        socket.write(header);
        socket.write('\r\n\r\n');
        await until('the gap', () => text.includes('event: gap'));
        await bus.publish('news', { data: 'still here' });
        await until('an event', () => text.includes('data: still here'));
        socket.destroy();
      }
    });
  }
});
