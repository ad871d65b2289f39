import { describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { SseRuns, SseRunsModule } from 'nestjs-event-stream/runs';
import { onExpress } from '../support/each-adapter.js';
import { deferred, waitForAbort } from '../runs/instances.js';
import { delta, framesIn, response, RESPONSE } from './answer.js';
import { ChatController } from './chat.controller.js';

describe('as openai', () => {
  const bench = onExpress();

  const start = (): Promise<INestApplication> =>
    bench.start({ imports: [SseRunsModule.forRoot()], controllers: [ChatController] });

  /** What a client is sent, with the sequence numbers that it is told. */
  async function framesOf(app: INestApplication, path: string): Promise<string[]> {
    const client = await bench.connect(app, path);
    await client.closed;
    return framesIn(client);
  }

  it('numbers the events, names their types, and says nothing else', async () => {
    const app = await start();
    await app.get(SseRuns).start('r', response());
    expect(await framesOf(app, '/responses/r')).toEqual(RESPONSE);
  });

  it('goes on after the number that a client names, while it is written and afterwards', async () => {
    const app = await start();
    const go = deferred();
    await app.get(SseRuns).start('r', response(go.promise));
    const client = await bench.connect(app, '/responses/r?starting_after=0');
    expect(await client.next()).toMatchObject({ type: 'response.output_text.delta' });
    go.resolve();
    await client.closed;
    expect(framesIn(client)).toEqual(RESPONSE.slice(1));
    expect(await framesOf(app, '/responses/r?starting_after=1')).toEqual(RESPONSE.slice(2));
    expect((await bench.connect(app, '/responses/r?starting_after=last')).status).toBe(400);
  });

  it("keeps the numbers that the source's events have", async () => {
    const app = await start();
    await app.get(SseRuns).start(
      'r',
      ReadableStream.from([
        { ...delta('a'), sequence_number: 7 },
        { ...delta('b'), sequence_number: 9 },
      ]),
    );
    const frames = await framesOf(app, '/responses/r?starting_after=7');
    expect(frames.map((frame) => frame.split('\n')[1])).toEqual([
      'data: {"type":"response.output_text.delta","delta":"b","sequence_number":9}',
    ]);
  });

  it('ends what was stopped, or has failed, with its error event', async () => {
    const app = await start();
    const runs = app.get(SseRuns);
    await runs.start('r', async function* ({ signal }) {
      yield delta('a');
      await waitForAbort(signal);
    });
    const client = await bench.connect(app, '/responses/r');
    await client.next();
    await runs.stop('r');
    expect((await client.next()).json()).toEqual({
      ...{ type: 'error', code: 'stopped', message: 'The response was stopped' },
      ...{ param: null, sequence_number: 1 },
    });
    await runs.start('f', async function* () {
      yield delta('a');
      throw new Error('secret');
    });
    expect((await framesOf(app, '/responses/f')).at(-1)).toBe(
      'event: error\ndata: {"type":"error","code":"server_error","message":"Internal server error","param":null,"sequence_number":1}',
    );
    await runs.start('t', ReadableStream.from(['a text']));
    expect((await framesOf(app, '/responses/t')).join()).toContain('server_error');
    expect(bench.logs.find('error', "A source that is streamed as 'openai'")).toHaveLength(1);
  });
});
