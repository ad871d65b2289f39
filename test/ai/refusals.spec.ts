import { describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { SseConnections, type SseModuleOptions } from 'nestjs-event-stream';
import { SseRuns, SseRunsModule } from 'nestjs-event-stream/runs';
import { type Bench, onExpress, urlOf } from '../support/each-adapter.js';
import { until } from '../support/until.js';
import { texts, waitForAbort } from '../runs/instances.js';
import { answers, ChatController } from './chat.controller.js';
import { Chat } from './client.js';

async function start(bench: Bench, sse: SseModuleOptions): Promise<INestApplication> {
  return bench.start({ sse, imports: [SseRunsModule.forRoot()], controllers: [ChatController] });
}

/** As the guide has it. */
const waiting: typeof fetch = async (...request) => {
  for (;;) {
    const response = await fetch(...request);
    const seconds = Number(response.headers.get('retry-after'));
    if (response.status !== 503 || !seconds) return response;
    await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  }
};

describe('a client of the AI SDK that is refused', () => {
  const bench = onExpress();

  it('does not take that for an answer, neither when it asks nor when it resumes', async () => {
    const app = await start(bench, { maxConnections: 0 });
    answers.set('a', texts('Hello'));
    const chat = new Chat('a', urlOf(app));
    await chat.sendMessage({ text: 'Hi' });
    expect([chat.status, chat.error?.message]).toEqual([
      'error',
      expect.stringContaining('No stream can be opened now: try again later'),
    ]);
    expect(app.get(SseRuns).list()).toEqual([]);
    await app.get(SseRuns).start('a', texts('Hello'));
    const reloaded = new Chat('a', urlOf(app));
    await reloaded.resumeStream();
    expect([reloaded.status, reloaded.error?.name]).toEqual(['error', 'Error']);
  });

  it('has its answer with a fetch that waits as long as Retry-After says', async () => {
    const app = await start(bench, { maxConnections: 1, retry: { min: 20, max: 20 } });
    answers.set('a', texts('Hello'));
    const first = await bench.connect(app, '/chat/b/stream');
    expect(first.status).toBe(204);
    answers.set('b', async function* ({ signal }) {
      await waitForAbort(signal);
      yield* texts('');
    });
    const other = await bench.connect(app, '/chat', { method: 'POST', body: { id: 'b' } });
    const chat = new Chat('a', urlOf(app), { fetch: waiting });
    const sent = chat.sendMessage({ text: 'Hi' });
    await until('it was refused', () => app.get(SseConnections).ended.refused === 1);
    other.close();
    await sent;
    expect([chat.status, chat.answers]).toEqual(['ready', ['Hello']]);
    await app.get(SseRuns).stop('b');
  });
});
