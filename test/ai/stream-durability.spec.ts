import { expect, it } from '@jest/globals';
import {
  EventType,
  replayRunStream,
  resumeServerSentEventsResponse,
  type StreamChunk,
  type StreamDurability,
  toServerSentEventsResponse,
} from '@tanstack/ai';
import { streamDurability, type StreamDurabilityOptions } from 'nestjs-event-stream/ai';
import { deferred, eachBackplane, type Instance, waitForAbort } from '../runs/instances.js';
import { until } from '../support/until.js';

const URL_ = 'https://example.test/chat';

const text = (delta: string): StreamChunk => ({
  ...{ type: EventType.TEXT_MESSAGE_CONTENT, messageId: 'm', delta, timestamp: 0 },
});

const finished = { type: EventType.RUN_FINISHED, runId: 'r', threadId: 't' } as StreamChunk;

function adapter(
  { runs }: Instance,
  request: RequestInit & { readonly query?: string } = {},
  options?: StreamDurabilityOptions,
): StreamDurability {
  return streamDurability(runs, new Request(`${URL_}${request.query ?? ''}`, request), options);
}

const producerOf = (at: Instance, options?: StreamDurabilityOptions) =>
  adapter(at, { method: 'POST', headers: { 'X-Run-Id': 'r' } }, options);
const joinerOf = (at: Instance) => adapter(at, { query: '?runId=r&offset=-1' });

const labelOf = (chunk: StreamChunk): string =>
  chunk.type === EventType.TEXT_MESSAGE_CONTENT ? chunk.delta : `[${chunk.type}]`;

async function read(
  chunks: AsyncIterable<{ readonly chunk: StreamChunk }>,
  labels: string[] = [],
): Promise<string[]> {
  for await (const { chunk } of chunks) labels.push(labelOf(chunk));
  return labels;
}

/** Ids and labels of a response. */
async function framesOf(response: Response): Promise<{ id: string; label: string }[]> {
  const frames = (await response.text()).trim().split('\n\n');
  return frames.map((frame) => {
    const [, id = '', data = ''] = /^(?:id: (.*)\n)?data: (.*)$/.exec(frame) ?? [];
    return { id, label: labelOf(JSON.parse(data) as StreamChunk) };
  });
}

eachBackplane((bench) => {
  it('gives an offset for each chunk, and the same ones to who reads, from the start or behind one', async () => {
    const [one, two] = await bench.startTwo();
    const producer = producerOf(one);
    expect(producer.resumeFrom()).toBeNull();
    const offsets = [
      ...(await producer.append([text('a'), text('b')])),
      ...(await producer.append([text('c')])),
    ];
    expect(new Set(offsets).size).toBe(3);
    await producer.close();
    for (const at of [one, two]) {
      const entries: { offset: string; chunk: StreamChunk }[] = [];
      for await (const entry of joinerOf(at).read('-1')) entries.push(entry);
      expect(entries.map(({ offset }) => offset)).toEqual(offsets);
      expect(entries.map(({ chunk }) => chunk)).toEqual([text('a'), text('b'), text('c')]);
      const [, second = ''] = offsets;
      const back = adapter(at, { headers: { 'Last-Event-ID': second } });
      expect(back.resumeFrom()).toBe(second);
      expect(await read(back.read(second))).toEqual(['c']);
      expect(adapter(at, { query: `?offset=${encodeURIComponent(second)}` }).resumeFrom()).toBe(
        second,
      );
    }
  });

  it('tails a run that is written, past terminals of its steps, until it is closed or nobody listens', async () => {
    const [one, two] = await bench.startTwo();
    const producer = producerOf(one);
    await producer.append([text('a')]);
    const [all, late]: [string[], string[]] = [[], []];
    const reading = read(joinerOf(two).read('-1'), all);
    await until('it has the first', () => all.length === 1);
    const controller = new AbortController();
    const given: string[] = [];
    const abandoned = read(joinerOf(two).read('-1', controller.signal), given);
    const tail = joinerOf(two).read('now');
    const tailing = read(tail, late);
    await until('that has the first, too', () => given.length === 1);
    controller.abort();
    expect(await abandoned).toEqual(['a']);
    await producer.append([finished, text('b')]);
    await until('it has the second', () => all.length === 3);
    await producer.close();
    await Promise.all([reading, tailing]);
    expect(all).toEqual(['a', '[RUN_FINISHED]', 'b']);
    expect(all.slice(all.length - late.length)).toEqual(late);
    expect(await read(joinerOf(one).read('now'))).toEqual([]);
  });

  it('tells what is stored now, and waits for nothing', async () => {
    const [one, two] = await bench.startTwo();
    expect(await joinerOf(two).snapshot()).toEqual([]);
    const producer = producerOf(one);
    const offsets = await producer.append([text('a'), text('b')]);
    const snapshot = await joinerOf(two).snapshot();
    expect(snapshot.map(({ offset }) => offset)).toEqual(offsets);
    snapshot.length = 0;
    await producer.close();
    expect(await read((await producer.snapshot()).values() as never)).toEqual(['a', 'b']);
  });

  it('fails at once for a run that nobody knows, or that another writes, and for an offset of something else', async () => {
    const [one, two] = await bench.startTwo();
    await expect(read(joinerOf(one).read('-1'))).rejects.toThrow("Nobody knows a run 'r'");
    const producer = producerOf(one);
    await producer.append([text('a')]);
    await expect(producerOf(two).append([text('b')])).rejects.toThrow('There is a run "r" already');
    const other = adapter(one, { query: '?runId=other' });
    const [offset = ''] = await other.append([text('x')]);
    await expect(read(joinerOf(one).read(offset))).rejects.toThrow("one of run 'other'");
    expect(() => adapter(one, { headers: { 'Last-Event-ID': '17' } })).toThrow('no offset');
    for (const runId of ['', 'a\nb', '\ud800', 'x'.repeat(513)])
      expect(() => streamDurability(one.runs, { runId })).toThrow('Invalid runId');
    await Promise.all([other.close(), producer.close()]);
  });

  it("serves TanStack AI's responses: produced once, resumed behind the last id, and joined, on either instance", async () => {
    const [one, two] = await bench.startTwo();
    const go = deferred();
    let calls = 0;
    async function* chat(): AsyncGenerator<StreamChunk> {
      calls++;
      yield text('a');
      yield text('b');
      await go.promise;
      yield finished;
    }
    const produced = toServerSentEventsResponse(chat(), {
      durability: { adapter: producerOf(one), batch: 1 },
    });
    const joined = resumeServerSentEventsResponse({ adapter: joinerOf(two) });
    go.resolve();
    const frames = await framesOf(produced);
    expect(frames.map(({ label }) => label)).toEqual(['[CUSTOM]', 'a', 'b', '[RUN_FINISHED]']);
    expect(await framesOf(joined)).toEqual(frames);
    const back = adapter(two, { headers: { 'Last-Event-ID': frames[1]?.id ?? '' } });
    const resumed = toServerSentEventsResponse(chat(), { durability: { adapter: back } });
    expect(await framesOf(resumed)).toEqual(frames.slice(2));
    expect(calls).toBe(1);
    const replayed: StreamChunk[] = [];
    for await (const chunk of replayRunStream(joinerOf(two))) replayed.push(chunk);
    expect(replayed.map(labelOf)).toEqual(frames.map(({ label }) => label));
  });

  it('stops the chat when the run is stopped, from either instance; who reads it is told by a terminal chunk', async () => {
    const [one, two] = await bench.startTwo();
    const abortController = new AbortController();
    async function* chat(): AsyncGenerator<StreamChunk> {
      yield text('a');
      await waitForAbort(abortController.signal);
    }
    const produced = toServerSentEventsResponse(chat(), {
      abortController,
      durability: { adapter: producerOf(one, { abortController }), batch: 1 },
    });
    void produced.text();
    await until('it is written', () => two.runs.get('r')?.status === 'live');
    const all: string[] = [];
    const reading = read(joinerOf(two).read('-1'), all);
    await until('it is read', () => all.includes('a'));
    await two.runs.stop('r');
    await reading;
    expect(all).toEqual(['[CUSTOM]', 'a', '[RUN_ERROR]']);
  });
});
