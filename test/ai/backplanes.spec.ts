import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { NotFoundException } from '@nestjs/common';
import type { ProfileOptions, SseRuns } from 'nestjs-event-stream/runs';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { RedisServer } from '../redis/support/redis-server.js';
import {
  deferred,
  eachBackplane,
  type Instance,
  RunsBench,
  texts,
  waitForAbort,
} from '../runs/instances.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { bodyOf, chunks, framesIn, response, RESPONSE, WHOLE } from './answer.js';
import { answers, ChatController } from './chat.controller.js';

const AI_SDK = { as: 'ai-sdk' } as const;
/** Keeps so little in memory that a run is read from the archive. */
const SHORT = { history: { maxEvents: 5 } };

/** All messages of a run, as one who reads it there is told them. */
async function read(runs: SseRuns, id: string, options: ProfileOptions): Promise<string[]> {
  const told: string[] = [];
  for await (const { data } of runs.stream(id, options)) told.push(data);
  return told;
}

/** Whoever comes afterwards comes to instances that have read all of it. */
async function pushOutOfTails(...instances: readonly Instance[]): Promise<void> {
  for (const { bus } of instances)
    for (let n = 0; n < 10; n++) await bus.publish('noise', { data: n });
  for (const { bus } of instances) await bus.catchUp();
}

function textOf(told: readonly string[]): string {
  const chunks = told.slice(0, -1).map((data) => JSON.parse(data) as { delta?: string });
  return chunks.map(({ delta = '' }) => delta).join('');
}

eachBackplane((bench) => {
  const tokens = Array.from({ length: 40 }, (_, n) => `${n}\u2028 `);

  it('is the same on either instance, whoever reads it from where it is kept, then or later', async () => {
    const [one, two] = await bench.startTwo({ sse: SHORT });
    const go = deferred();
    await one.runs.start('chat.1', async function* () {
      yield* texts(...tokens.slice(0, 30));
      await go.promise;
      yield* texts(...tokens.slice(30));
    });
    await until('most of it is there', () => one.runs.get('chat.1')?.events === 30);
    for (let n = 0; n < 10; n++) await two.bus.publish('noise', { data: n });
    const live = [one, two].map(({ runs }) => read(runs, 'chat.1', AI_SDK));
    go.resolve();
    const later = [one, two].map(async ({ runs }) => read(runs, 'chat.1', AI_SDK));
    const all = await Promise.all([...live, ...later]);
    expect(textOf(all[0] ?? [])).toBe(tokens.join(''));
    expect(all[0]?.slice(-2)).toEqual(['{"type":"finish"}', '[DONE]']);
    for (const each of all) expect(each).toEqual(all[0]);
  });

  it('ends with abort where it is stopped on the other instance, for those who read and for who comes', async () => {
    const [one, two] = await bench.startTwo();
    await one.runs.start('chat.1', async function* ({ signal }) {
      yield* texts('a');
      await waitForAbort(signal);
    });
    const readers = [one, two].map(({ runs }) => read(runs, 'chat.1', AI_SDK));
    await until('they read', () => one.runs.get('chat.1')?.readers === (one === two ? 2 : 1));
    await two.runs.stop('chat.1');
    readers.push(read(one.runs, 'chat.1', AI_SDK), read(two.runs, 'chat.1', AI_SDK));
    for (const told of await Promise.all(readers)) {
      expect(told.slice(-2)).toEqual(['{"type":"abort","reason":"stopped"}', '[DONE]']);
      expect(textOf(told)).toBe('a');
    }
  });

  it('is byte for byte the same on the wire of either instance, sent, resumed in the middle and read later', async () => {
    const [one, two] = await bench.startTwo({ sse: SHORT, controllers: [ChatController] });
    const go = deferred();
    answers.set('a', chunks(go.promise));
    const sent = await bench.request(one, '/chat', { method: 'POST', body: { id: 'a' } });
    await sent.take(3);
    const resumed = [await bench.connect(one, '/chat/a/stream', 'a-place')];
    resumed.push(await bench.connect(two, '/chat/a/stream'));
    for (const client of resumed) await client.take(3);
    go.resolve();
    await Promise.all([sent, ...resumed].map(({ closed }) => closed));
    await pushOutOfTails(one, two);
    for (const at of [one, two]) resumed.push(await bench.connect(at, '/chat/a/stream'));
    for (const client of [sent, ...resumed]) {
      await client.closed;
      expect(client.headers).toMatchObject({ 'x-vercel-ai-ui-message-stream': 'v1' });
      expect(bodyOf(client)).toBe(WHOLE);
    }
    expect((await bench.connect(two, '/chat/b/stream')).status).toBe(204);
  });

  it("is on the wire what OpenAI's clients are sent, from either instance, after whichever number", async () => {
    const [one, two] = await bench.startTwo({ sse: SHORT, controllers: [ChatController] });
    const go = deferred();
    await one.runs.start('r', response(go.promise));
    const live = await Promise.all(
      [one, two].map((at) => bench.connect(at, '/responses/r?starting_after=0')),
    );
    for (const client of live) expect((await client.next()).type).toContain('output_text.delta');
    go.resolve();
    for (const client of live) {
      await client.closed;
      expect(framesIn(client)).toEqual(RESPONSE.slice(1));
    }
    await pushOutOfTails(one, two);
    for (const at of [one, two])
      for (const [query, rest] of [
        ['', RESPONSE],
        ['?starting_after=1', RESPONSE.slice(2)],
      ] as const) {
        const client = await bench.connect(at, `/responses/r${query}`);
        await client.closed;
        expect(framesIn(client)).toEqual(rest);
      }
  });

  it("numbers OpenAI's events alike for all, its error too, after whichever one asks to go on", async () => {
    const [one, two] = await bench.startTwo({ sse: SHORT });
    await one.runs.start('r', async function* () {
      for await (const delta of texts(...tokens))
        yield { type: 'response.output_text.delta', delta };
      throw new NotFoundException('No such model');
    });
    const whole = await read(one.runs, 'r', { as: 'openai' });
    expect(
      whole.map((data) => (JSON.parse(data) as { sequence_number: number }).sequence_number),
    ).toEqual(Array.from({ length: 41 }, (_, n) => n));
    expect(JSON.parse(whole[40] ?? '')).toMatchObject({ type: 'error', message: 'No such model' });
    for (const startingAfter of [-1, '', 0, '17', 39, 40, 99]) {
      const told = await read(two.runs, 'r', { as: 'openai', startingAfter });
      expect(told).toEqual(whole.slice(Number(startingAfter === '' ? -1 : startingAfter) + 1));
    }
  });

  it('has nothing in it of a run of the same id before, whether that is still kept or not', async () => {
    const [one, two] = await bench.startTwo({ runs: { keepFor: 1 }, sse: SHORT });
    for (const word of ['first', 'second', 'third']) {
      await one.runs.start('chat.1', texts(word, ' ', word), { onExisting: 'replace' });
      for (const { runs } of [one, two]) {
        const told = await read(runs, 'chat.1', AI_SDK);
        if (told.length > 0) expect([word, textOf(told)]).toEqual([word, `${word} ${word}`]);
      }
      for (let n = 0; n < 10; n++) await two.bus.publish('noise', { data: n });
    }
  });
});

describeWith(REDIS_SERVER, 'a run of which Redis has lost the keys', (path) => {
  let redis: RedisServer;
  const bench = new RunsBench(true, () => redisBackplane({ url: redis.url, checkInterval: 100 }));
  beforeAll(async () => {
    redis = await RedisServer.start(path);
  });
  afterAll(async () => {
    await bench.stop();
    await redis.stop();
  });

  it('is an error, and not an answer without its beginning', async () => {
    const one = await bench.start({ sse: SHORT });
    const go = deferred();
    await one.runs.start('chat.1', async function* () {
      yield* texts('The ', 'whole ', 'answer ');
      await go.promise;
      yield* texts('is this');
    });
    await until('it has begun', () => one.runs.get('chat.1')?.events === 3);
    for (let n = 0; n < 10; n++) await one.bus.publish('noise', { data: n });
    const keys = await redis.control.keys('*:kept:*$run.whole.chat.1');
    expect(await redis.control.del(...keys)).toBe(1);
    go.resolve();
    await until('it is done', () => one.runs.get('chat.1')?.status === 'done');
    expect(await read(one.runs, 'chat.1', AI_SDK)).toEqual([
      '{"type":"error","errorText":"A part of the answer is gone: ask for it again"}',
      '[DONE]',
    ]);
  });
});
