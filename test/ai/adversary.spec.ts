import { describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { SseRuns, SseRunsModule } from 'nestjs-event-stream/runs';
import { eachAdapter, onExpress, urlOf } from '../support/each-adapter.js';
import { until } from '../support/until.js';
import { deferred, texts } from '../runs/instances.js';
import { answers, ChatController } from './chat.controller.js';
import { Chat } from './client.js';

const ORIGIN = 'https://example.com';

eachAdapter((bench) => {
  async function start(): Promise<INestApplication> {
    return bench.start({
      imports: [SseRunsModule.forRoot()],
      controllers: [ChatController],
      configure: (made) => made.enableCors({ origin: ORIGIN }),
    });
  }

  it('is told across origins that there is nothing to resume', async () => {
    const app = await start();
    const client = await bench.connect(app, '/chat/a/stream', { headers: { origin: ORIGIN } });
    expect([client.status, client.headers['access-control-allow-origin']]).toEqual([204, ORIGIN]);
  });

  it('is the same wherever a client claims to be', async () => {
    const app = await start();
    await app.get(SseRuns).start('a', texts('whole'));
    const ids = [
      '',
      '0',
      '-1',
      'e.1',
      'zzzzzzzz.9007199254740991',
      'x'.repeat(4_000),
      '%00',
      '$',
      '\u00e9',
    ];
    const bodies = new Set<string>();
    for (const lastEventId of ids) {
      const client = await bench.connect(app, '/chat/a/stream', { lastEventId });
      await client.closed;
      expect(client.status).toBe(200);
      bodies.add(client.text);
    }
    expect(bodies.size).toBe(1);
    expect([...bodies].join().match(/\[DONE]/g)).toHaveLength(1);
  });

  it('answers a HEAD with headers, without reading, and an OPTIONS as any route', async () => {
    const app = await start();
    await app.get(SseRuns).start('a', texts('whole'));
    const head = await bench.connect(app, '/chat/a/stream', { method: 'HEAD' });
    await head.closed;
    expect([head.status, head.text]).toEqual([200, '']);
    expect(app.get(SseRuns).get('a')?.readers).toBe(0);
    const options = await bench.connect(app, '/chat/a/stream', {
      method: 'OPTIONS',
      headers: { origin: ORIGIN, 'access-control-request-method': 'GET' },
    });
    await options.closed;
    expect(options.status).toBe(204);
  });
});

describe('on Express', () => {
  const bench = onExpress();

  async function start(heartbeatInterval = 15_000): Promise<INestApplication> {
    const imports = [SseRunsModule.forRoot()];
    return bench.start({ sse: { heartbeatInterval }, imports, controllers: [ChatController] });
  }

  it('heartbeats in the middle of an answer are nothing to the AI SDK', async () => {
    const app = await start(5);
    const go = deferred();
    answers.set('a', async function* () {
      yield* texts('a');
      await go.promise;
      yield* texts('b');
    });
    const raw = bench.connect(app, '/chat', { method: 'POST', body: { id: 'a' } });
    const beaten = await raw;
    const chat = new Chat('a', urlOf(app));
    const resumed = chat.resumeStream();
    await until('there were some', () => beaten.comments > 3 && chat.answers[0] === 'a');
    go.resolve();
    await resumed;
    expect([chat.status, chat.answers]).toEqual(['ready', ['ab']]);
  });

  it('a chat may be called what its users like', async () => {
    const app = await start();
    for (const id of ['$runs.keep', 'a/b c', '../a', '*', '**', 'é\u2028', '__proto__', '%2F']) {
      answers.set(id, texts(id));
      const chat = new Chat(id, urlOf(app));
      await chat.sendMessage({ text: 'Hi' });
      const reloaded = new Chat(id, urlOf(app));
      await reloaded.resumeStream();
      expect([chat.answers, reloaded.answers]).toEqual([[id], [id]]);
    }
  });

  it('a part of nearly a megabyte comes whole, and one that is too much is an error', async () => {
    const app = await start();
    const large = 'x\u2028\0é'.repeat(80_000);
    answers.set('a', texts(large));
    const chat = new Chat('a', urlOf(app));
    await chat.sendMessage({ text: 'Hi' });
    expect(chat.answers[0] === large).toBe(true);
    answers.set('b', texts('a', 'x'.repeat(2_000_000)));
    const broken = new Chat('b', urlOf(app));
    await broken.sendMessage({ text: 'Hi' });
    expect([broken.status, broken.answers]).toEqual(['error', ['a']]);
  });

  it('a model whose stream breaks off is an error for all, once, and what it said before is there', async () => {
    const app = await start();
    const go = deferred();
    answers.set(
      'a',
      () =>
        new ReadableStream({
          async start(controller) {
            controller.enqueue('a');
            await go.promise;
            controller.error(new Error('secret'));
          },
        }),
    );
    const client = await bench.connect(app, '/chat', { method: 'POST', body: { id: 'a' } });
    const chat = new Chat('a', urlOf(app));
    const resumed = chat.resumeStream();
    await until('it has begun', () => chat.answers[0] === 'a');
    go.resolve();
    await Promise.all([resumed, client.closed]);
    expect([chat.status, chat.error?.message]).toEqual(['error', 'Internal server error']);
    expect(client.text.match(/"error"|\[DONE]/g)).toEqual(['"error"', '[DONE]']);
    expect(client.text).not.toContain('secret');
  });

  it('a starting_after that is no number is answered 400', async () => {
    const app = await start();
    await app.get(SseRuns).start('r', texts(''));
    for (const given of [
      ...['x', '1.5', '1e400', '1,2', '9007199254740993', '1&starting_after=2'],
      ...['%20', '%201', '1%20', '1%0A', '+1', '%2B1', '1e0', '0x1', '0b1', '1.0', '--1', '%D9%A1'],
    ]) {
      const client = await bench.connect(app, `/responses/r?starting_after=${given}`);
      expect([given, client.status]).toEqual([given, 400]);
    }
  });
});
