import { describe, expect, it } from '@jest/globals';
import {
  createResumableStreamContext,
  type ResumableStreamStore,
} from 'assistant-stream/resumable';
import { resumableStreamStore } from 'nestjs-event-stream/ai';
import { eachBackplane, type Instance } from '../runs/instances.js';
import { until } from '../support/until.js';

// Their own tests are run in assistant-ui.spec.ts; here is what they cannot know of: several instances.
eachBackplane((bench) => {
  const storeOf = ({ runs }: Instance): ResumableStreamStore =>
    resumableStreamStore(runs, { prefix: 'ui.' });
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

  async function read(store: ResumableStreamStore): Promise<string> {
    let text = '';
    const { signal } = new AbortController();
    for await (const { chunk } of store.read('s', '', signal))
      text += new TextDecoder().decode(chunk);
    return text;
  }

  it('elects one producer of all who ask at the same time, and lets the others read what it writes', async () => {
    const [one, two] = await bench.startTwo();
    const contexts = [one, two].map((at) => createResumableStreamContext({ store: storeOf(at) }));
    let calls = 0;
    const make = () => {
      calls++;
      return ReadableStream.from([bytes('Hello'), bytes(', '), bytes('world')]);
    };
    const bodies = await Promise.all([...contexts, ...contexts].map((each) => each.run('s', make)));
    const texts = await Promise.all(bodies.map((body) => new Response(body).text()));
    expect(texts).toEqual(Array.from(texts, () => 'Hello, world'));
    expect(calls).toBe(1);
    await until('its end is known', async () => (await contexts[1]?.status('s')) === 'done');
    const again = await contexts[1]?.resume('s');
    expect(await new Response(again).text()).toBe('Hello, world');
  });

  it('goes on behind a cursor on the other instance, and refuses what a lease no longer covers', async () => {
    const [one, two] = await bench.startTwo();
    const [first, second] = [storeOf(one), storeOf(two)];
    const acquired = await first.acquireLease?.('s');
    if (acquired?.role !== 'producer') throw new Error('It is not the producer');
    expect(await second.acquireLease?.('s')).toEqual({ role: 'consumer' });
    await first.append('s', bytes('a'), acquired.lease);
    await first.append('s', bytes('b'), acquired.lease);
    await expect(second.append('s', bytes('x'))).rejects.toMatchObject({ code: 'missing' });
    const controller = new AbortController();
    const cursors: string[] = [];
    for await (const { cursor } of second.read('s', '', controller.signal)) {
      cursors.push(cursor);
      if (cursors.length === 2) controller.abort();
    }
    const reading = second
      .read('s', cursors[0] ?? '', new AbortController().signal)
      [Symbol.asyncIterator]();
    expect((await reading.next()).value).toMatchObject({ chunk: bytes('b') });
    const next = reading.next();
    await second.delete('s');
    expect((await next).done).toBe(true);
    expect(await second.status('s')).toBe('missing');
    // The other instance hears of it from the log, and keeps what came instead for a millisecond from then on.
    await until('the other instance knows', async () => (await first.status('s')) === 'missing');
    expect((await second.acquireLease?.('s'))?.role).toBe('producer');
    await expect(first.append('s', bytes('c'), acquired.lease)).rejects.toMatchObject({
      code: 'missing',
    });
    expect(await first.finalize('s', 'done', undefined, acquired.lease)).toBe(false);
    await second.append('s', bytes('fresh'));
    expect(await second.finalize('s', 'error', 'No more tokens')).toBe(true);
    expect(await first.status('s')).toBe('error');
    await expect(read(first)).rejects.toThrow('No more tokens');
  });
});

describe('a store of streams', () => {
  it('refuses what is no id of a stream', async () => {
    const store = resumableStreamStore(undefined as never);
    await expect(store.acquire('with a blank')).rejects.toMatchObject({ code: 'invalid-id' });
  });
});
