import { describe, expect, it } from '@jest/globals';
import type { SseEvent } from '../../src/log/event.js';
import { AI_SDK } from '../../src/profiles/ai-sdk.js';
import { openai } from '../../src/profiles/openai.js';
import type { Profile } from '../../src/profiles/profile.js';
import { ProfiledStream } from '../../src/profiles/profiled-stream.js';

const gapTo = (resumedAt: string) => {
  return { type: 'gap', data: { reason: 'trimmed', requested: '', resumedAt } };
};
const GAP = gapTo('e.9');
const LOST = { type: 'run-end', data: { status: 'lost' } };

/** What is written of these events, as one who reads them would have met them. */
async function written(events: readonly object[], profile: Profile = AI_SDK): Promise<unknown[]> {
  async function* all(): AsyncGenerator<SseEvent, undefined> {
    yield* events as SseEvent[];
    return undefined;
  }
  const stream = new ProfiledStream({
    ...{ events: all(), profile, begin: () => ({ epoch: 'e', offset: 3 }), connection: undefined },
    report: () => {},
  });
  const messages: unknown[] = [];
  for await (const { data } of stream) messages.push(data === '[DONE]' ? data : JSON.parse(data));
  return messages;
}

describe('a profile', () => {
  const start = { type: 'start', messageId: 'run-e-3' };
  const delta = { type: 'text-delta', id: 'text-1', delta: 'a' };

  it('replays from the start after a gap that was before that', async () => {
    const end = { type: 'run-end', data: { status: 'done' } };
    expect(await written([gapTo('d.7'), gapTo('e.3'), { data: 'a' }, end])).toEqual([
      ...[start, { type: 'text-start', id: 'text-1' }, delta],
      ...[{ type: 'text-end', id: 'text-1' }, { type: 'finish' }, '[DONE]'],
    ]);
  });

  it('says that the start is gone, in the place of what comes after it', async () => {
    const done = { type: 'run-end', data: { status: 'done' } };
    for (const after of [{ data: 'b' }, done]) {
      expect(await written([gapTo('e.4'), after, done])).toEqual([
        { type: 'error', errorText: 'A part of the answer is gone: ask for it again' },
        '[DONE]',
      ]);
    }
    const failed = { type: 'run-end', data: { status: 'failed', error: 'Why' } };
    expect(await written([gapTo('e.4'), failed])).toMatchObject([{ errorText: 'Why' }, '[DONE]']);
  });

  it('says in its own words that a part is gone, and ends there', async () => {
    const errorText = 'A part of the answer is gone: ask for it again';
    expect(await written([{ data: 'a' }, GAP, { data: 'b' }])).toEqual([
      ...[start, { type: 'text-start', id: 'text-1' }, delta],
      ...[{ type: 'error', errorText }, '[DONE]'],
    ]);
    // Nobody would say how the run ended, either.
    expect((await written([{ data: 'a' }])).slice(-2)).toEqual([
      { type: 'error', errorText },
      '[DONE]',
    ]);
    const event = { data: { type: 'response.created' } };
    expect(await written([event, GAP, event], openai(undefined))).toMatchObject([
      { sequence_number: 0 },
      // As the last event has it: who goes on after it misses nothing.
      { type: 'error', code: 'server_error', message: errorText, sequence_number: 0 },
    ]);
  });

  it('says that the process is gone', async () => {
    expect((await written([{ data: 'a' }, LOST])).slice(-3)).toMatchObject([
      { type: 'text-end' },
      {
        type: 'error',
        errorText: 'The answer was interrupted: the process that wrote it is gone',
      },
      '[DONE]',
    ]);
    expect(await written([LOST], openai(undefined))).toMatchObject([{ code: 'lost' }]);
  });
});
