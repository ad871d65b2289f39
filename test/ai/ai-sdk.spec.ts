import { describe, expect, it } from '@jest/globals';
import { createUIMessageStreamResponse, type UIMessageChunk } from 'ai';
import { lastValueFrom } from 'rxjs';
import { ConflictException, type INestApplication } from '@nestjs/common';
import { SseConnections } from 'nestjs-event-stream';
import { SseRuns, SseRunsModule, type SseRunsOptions } from 'nestjs-event-stream/runs';
import { type Bench, eachAdapter, onExpress, urlOf } from '../support/each-adapter.js';
import { until } from '../support/until.js';
import { deferred, texts, waitForAbort } from '../runs/instances.js';
import { answers, ChatController } from './chat.controller.js';
import { bodyOf, chunks, WHOLE } from './answer.js';
import { Chat } from './client.js';

const MEBIBYTE = 1_048_576;

async function start(bench: Bench, options?: SseRunsOptions): Promise<INestApplication> {
  const imports = [SseRunsModule.forRoot(options)];
  return bench.start({ imports, controllers: [ChatController] });
}

/** What is under `data:`, without the id of the message. */
function told(text: string): string[] {
  return text
    .trimEnd()
    .split('\n\n')
    .map((frame) => frame.replace(/^data: /, '').replace(/"run-[^"]+"/, '"run"'));
}

eachAdapter((bench) => {
  it('is on the wire what the AI SDK itself writes: data, [DONE], its header, and nothing else', async () => {
    const app = await start(bench);
    answers.set('a', chunks());
    const sent = await bench.connect(app, '/chat', { method: 'POST', body: { id: 'a' } });
    await sent.closed;
    expect(sent.status).toBe(200);
    expect(sent.headers).toMatchObject({ 'x-vercel-ai-ui-message-stream': 'v1' });
    expect(sent.headers['content-type']).toContain('text/event-stream');
    expect(bodyOf(sent)).toBe(WHOLE);
    const again = await bench.connect(app, '/chat/a/stream');
    await again.closed;
    expect(bodyOf(again)).toBe(WHOLE);
    expect(again.headers).toMatchObject({ 'x-vercel-ai-ui-message-stream': 'v1' });
  });

  it('gives a client that comes back in the middle all of it, whatever place it names', async () => {
    const app = await start(bench);
    const go = deferred();
    answers.set('a', chunks(go.promise));
    const first = await bench.connect(app, '/chat', { method: 'POST', body: { id: 'a' } });
    await first.take(3);
    first.close();
    const second = await bench.connect(app, '/chat/a/stream', { lastEventId: 'none.of-ours' });
    await second.take(3);
    go.resolve();
    await second.closed;
    expect(bodyOf(second)).toBe(WHOLE);
  });

  it('answers 204 for a chat without an answer, and 404 where that is asked for', async () => {
    const app = await start(bench);
    expect((await bench.connect(app, '/chat/a/stream')).status).toBe(204);
    const strict = await start(bench, { unknown: 404 });
    expect((await bench.connect(strict, '/chat/a/stream')).status).toBe(404);
  });

  it('cuts the connection where it ends before the answer does', async () => {
    const app = await start(bench, { drain: { runs: 'stop' } });
    answers.set('a', ({ signal }) => chunks(waitForAbort(signal)));
    const client = await bench.connect(app, '/chat', { method: 'POST', body: { id: 'a' } });
    await client.take(3);
    app.get(SseConnections).close();
    await expect(client.next()).rejects.toThrow('the connection broke');
    expect(WHOLE.startsWith(bodyOf(client))).toBe(true);
  });
});

describe('on Express', () => {
  const bench = onExpress();

  /** Frames of the answer to a message. */
  async function answerOf(app: INestApplication): Promise<string[]> {
    const client = await bench.connect(app, '/chat', { method: 'POST', body: { id: 'a' } });
    await client.closed;
    return told(bodyOf(client));
  }

  it('is byte for byte what the AI SDK makes of the same chunks', async () => {
    const app = await start(bench);
    answers.set('a', chunks());
    const client = await bench.connect(app, '/chat', { method: 'POST', body: { id: 'a' } });
    await client.closed;
    const stream = ReadableStream.from(chunks()) as ReadableStream<UIMessageChunk>;
    const theirs = createUIMessageStreamResponse({ stream });
    expect(bodyOf(client)).toBe(await theirs.text());
    expect(client.headers).toMatchObject({
      'x-vercel-ai-ui-message-stream': theirs.headers.get('x-vercel-ai-ui-message-stream'),
    });
  });

  it('is read by the AI SDK: an answer, resumed after a lost connection, is there once', async () => {
    const app = await start(bench);
    const go = deferred();
    answers.set('a', chunks(go.promise));
    const chat = new Chat('a', urlOf(app));
    const sent = chat.sendMessage({ text: 'Hi' });
    await until('it has begun', () => chat.answers[0] === 'Hello');
    app.get(SseConnections).close();
    await sent;
    // What it takes for a connection that was lost.
    expect([chat.status, chat.error?.name]).toEqual(['error', 'TypeError']);
    const resumed = chat.resumeStream();
    await until('it goes on', () => chat.status === 'streaming');
    go.resolve();
    await resumed;
    expect([chat.status, chat.answers]).toEqual(['ready', ['Hello, world']]);
    await chat.resumeStream();
    expect(chat.answers).toEqual(['Hello, world']);
    const reloaded = new Chat('a', urlOf(app));
    await reloaded.resumeStream();
    expect(reloaded.answers).toEqual(['Hello, world']);
    const unknown = new Chat('nobody', urlOf(app));
    await unknown.resumeStream();
    expect([unknown.status, unknown.messages]).toEqual(['ready', []]);
  });

  it('ends with abort when it is stopped, error when it fails, and finish where the source has none', async () => {
    const app = await start(bench);
    answers.set('a', async function* ({ signal }) {
      yield { type: 'start' };
      setImmediate(() => void app.get(SseRuns).stop('a'));
      await waitForAbort(signal);
    });
    const start_ = '{"type":"start","messageId":"run"}';
    expect(await answerOf(app)).toEqual([start_, '{"type":"abort","reason":"stopped"}', '[DONE]']);
    answers.set('a', async function* () {
      yield* texts('a');
      throw new ConflictException('No more tokens');
    });
    expect((await answerOf(app)).slice(-3)).toEqual([
      '{"type":"text-end","id":"text-1"}',
      '{"type":"error","errorText":"No more tokens"}',
      '[DONE]',
    ]);
    answers.set('a', async function* () {
      yield* texts('a');
      throw new Error('secret');
    });
    expect((await answerOf(app)).join()).toContain('"errorText":"Internal server error"');
    answers.set('a', ReadableStream.from([{ type: 'start' }, { type: 'abort' }]));
    expect(await answerOf(app)).toEqual([start_, '{"type":"abort"}', '[DONE]']);
  });

  it('streams plain texts as one text part, and events with a type as data parts', async () => {
    const app = await start(bench);
    answers.set('a', async function* ({ emit }) {
      yield* texts('Hel', 'lo');
      await emit({ type: 'sources', data: { count: 2 } });
      yield { type: 'data-weather', data: 'sunny' };
      yield* texts('!');
    });
    const parts: object[] = [];
    const chat = new Chat('a', urlOf(app), { onData: (part) => parts.push(part) });
    await chat.sendMessage({ text: 'Hi' });
    expect([chat.status, chat.answers]).toEqual(['ready', ['Hello!']]);
    expect(parts).toEqual([
      { type: 'data-sources', data: { count: 2 } },
      { type: 'data-weather', data: 'sunny' },
    ]);
  });

  it('says what is wrong with a source that yields something else, and does not hand it on', async () => {
    const app = await start(bench);
    answers.set('a', ReadableStream.from(['a', 1, 'b']));
    expect((await answerOf(app)).slice(-2)).toEqual([
      '{"type":"error","errorText":"Internal server error"}',
      '[DONE]',
    ]);
    const said = bench.logs.find('error', "A source that is streamed as 'ai-sdk' yields chunks");
    expect(said).toHaveLength(1);
  });

  it('keeps a quiet connection open with comments, which carry no id', async () => {
    const app = await bench.start({
      sse: { heartbeatInterval: 20 },
      imports: [SseRunsModule.forRoot()],
      controllers: [ChatController],
    });
    const go = deferred();
    answers.set('a', chunks(go.promise));
    const client = await bench.connect(app, '/chat', { method: 'POST', body: { id: 'a' } });
    await until('there were some', () => client.comments > 2);
    go.resolve();
    await client.closed;
    expect(bodyOf(client).replace(/^:.*\n\n/gm, '')).toBe(WHOLE);
    expect(client.lastEventId).toBe('');
  });

  it('has nobody read for a client that left', async () => {
    const app = await start(bench);
    const runs = app.get(SseRuns);
    answers.set('a', ({ signal }) => chunks(waitForAbort(signal)));
    const client = await bench.connect(app, '/chat', { method: 'POST', body: { id: 'a' } });
    await client.take(3);
    expect(runs.get('a')?.readers).toBe(1);
    client.close();
    await until('nobody reads it', () => runs.get('a')?.readers === 0);
    await runs.stop('a');
    await lastValueFrom(runs.stream('a'));
  });

  it('reads no further for a client that takes no more, and loses nothing for it', async () => {
    const app = await start(bench, { maxBytes: 64 * MEBIBYTE });
    const text = 'x'.repeat(MEBIBYTE / 4);
    answers.set('a', ReadableStream.from(Array.from({ length: 64 }, () => text)));
    const client = await bench.connect(app, '/chat', { method: 'POST', body: { id: 'a' } });
    client.pause();
    const connections = app.get(SseConnections);
    await until('it is behind', () => connections.list()[0]?.isBehind === true);
    await until('the answer is there', () => app.get(SseRuns).get('a')?.status === 'done');
    expect(connections.list()[0]?.bytes).toBeLessThan(8 * MEBIBYTE);
    client.resume();
    await client.closed;
    const deltas = told(bodyOf(client)).filter((data) => data.includes('text-delta'));
    expect(deltas.map((data) => (JSON.parse(data) as { delta: string }).delta)).toEqual(
      Array.from({ length: 64 }, () => text),
    );
  });
});
