import { describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { SseConnections } from 'nestjs-event-stream';
import { SseRuns, SseRunsModule } from 'nestjs-event-stream/runs';
import { onExpress, urlOf } from '../support/each-adapter.js';
import { until } from '../support/until.js';
import { deferred, texts, waitForAbort } from '../runs/instances.js';
import { answers, ChatController } from './chat.controller.js';
import { Chat } from './client.js';

describe('a chat that is open more than once', () => {
  const bench = onExpress();

  async function start(): Promise<{ app: INestApplication; runs: SseRuns; url: string }> {
    const imports = [SseRunsModule.forRoot()];
    const app = await bench.start({ imports, controllers: [ChatController] });
    return { app, runs: app.get(SseRuns), url: urlOf(app) };
  }

  /** An answer that is what it counts, and goes on when it may. */
  function counted(go: Promise<void>): () => number {
    let count = 0;
    answers.set('a', async function* ({ signal }) {
      const mine = ++count;
      yield* texts(`answer ${mine}`);
      await Promise.race([go, waitForAbort(signal)]);
      yield* texts(signal.aborted ? ' stopped' : ' whole');
    });
    return () => count;
  }

  it('has one answer of a question that is sent twice: the first one ends with abort', async () => {
    const { runs, url } = await start();
    const go = deferred();
    const count = counted(go.promise);
    const [first, second] = [new Chat('a', url), new Chat('a', url)];
    const sent = first.sendMessage({ text: 'Hi' });
    await until('the first has begun', () => first.answers[0] === 'answer 1');
    const again = second.sendMessage({ text: 'Hi' });
    await sent;
    await until('the second has begun', () => second.answers[0] === 'answer 2');
    go.resolve();
    await again;
    expect([first.status, second.status, second.answers]).toEqual([
      ...['ready', 'ready', ['answer 2 whole']],
    ]);
    expect(first.answers[0]).toMatch(/^answer 1( stopped)?$/);
    expect(count()).toBe(2);
    // Who comes later is given the one that counts.
    await first.resumeStream();
    expect(first.answers).toEqual([expect.stringMatching(/^answer 1/), 'answer 2 whole']);
    expect(runs.list()).toHaveLength(1);
  });

  it('has one owner of an answer that is asked for twice at the same moment', async () => {
    const { runs, url } = await start();
    const go = deferred();
    counted(go.promise);
    const tabs = [new Chat('a', url), new Chat('a', url)];
    const sent = tabs.map((tab) => tab.sendMessage({ text: 'Hi' }));
    await until('one is over', () => tabs.some(({ status }) => status === 'ready'));
    go.resolve();
    await Promise.all(sent);
    expect(tabs.map(({ status }) => status)).toEqual(['ready', 'ready']);
    expect(
      tabs.flatMap((tab) => tab.answers).filter((each) => each.endsWith('whole')),
    ).toHaveLength(1);
    expect(runs.get('a')?.status).toBe('done');
  });

  it('is read to its end by each tab that resumes it, whichever leaves meanwhile', async () => {
    const { runs, url } = await start();
    const go = deferred();
    counted(go.promise);
    const chat = new Chat('a', url);
    const sent = chat.sendMessage({ text: 'Hi' });
    await until('it has begun', () => chat.answers[0] === 'answer 1');
    const tabs = [new Chat('a', url), new Chat('a', url), new Chat('a', url)];
    const resumed = tabs.map((tab) => tab.resumeStream());
    await until('all have it', () => tabs.every(({ answers }) => answers[0] === 'answer 1'));
    expect(runs.get('a')?.readers).toBe(4);
    await chat.stop();
    await sent;
    await until('one reads no more', () => runs.get('a')?.readers === 3);
    go.resolve();
    await Promise.all(resumed);
    for (const tab of tabs) {
      expect([tab.status, tab.answers]).toEqual(['ready', ['answer 1 whole']]);
    }
  });

  it('ends with abort for who was away while it was stopped, as often as that is asked for, then with 204', async () => {
    const { app, runs, url } = await start();
    counted(new Promise(() => {}));
    const chat = new Chat('a', url);
    const sent = chat.sendMessage({ text: 'Hi' });
    await until('it has begun', () => chat.answers[0] === 'answer 1');
    app.get(SseConnections).close();
    await sent;
    expect([chat.status, chat.error?.name]).toEqual(['error', 'TypeError']);
    await runs.stop('a');
    for (let times = 0; times < 2; times++) {
      await chat.resumeStream();
      expect([chat.status, chat.answers]).toEqual(['ready', ['answer 1 stopped']]);
      const client = await bench.connect(app, '/chat/a/stream');
      await client.closed;
      expect(client.text).toMatch(/"abort","reason":"stopped"}\n\ndata: \[DONE]\n\n$/);
    }
    await runs.start('a', texts(''), { onExisting: 'replace', keepFor: 1 });
    await until('it has expired', () => runs.get('a') === undefined);
    const late = new Chat('a', url);
    await late.resumeStream();
    expect([late.status, late.messages]).toEqual(['ready', []]);
    expect((await bench.connect(app, '/chat/a/stream')).status).toBe(204);
  });
});
