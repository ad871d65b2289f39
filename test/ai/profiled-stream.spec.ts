import { describe, expect, it } from '@jest/globals';
import type { SseEvent } from '../../src/log/event.js';
import { AI_SDK } from '../../src/profiles/ai-sdk.js';
import { openai } from '../../src/profiles/openai.js';
import type { Profile } from '../../src/profiles/profile.js';
import { ProfiledStream } from '../../src/profiles/profiled-stream.js';

const GAP = { type: 'gap', data: { reason: 'trimmed', requested: '', resumedAt: '' } };
const LOST = { type: 'run-end', data: { status: 'lost' } };

/** What is written of these events, as one who reads them would have met them. */
async function written(events: readonly object[], profile: Profile = AI_SDK): Promise<unknown[]> {
  async function* all(): AsyncGenerator<SseEvent, undefined> {
    yield* events as SseEvent[];
    return undefined;
  }
  const stream = new ProfiledStream({
    ...{ events: all(), profile, key: () => 'k', connection: undefined },
    report: () => {},
  });
  const messages: unknown[] = [];
  for await (const { data } of stream) messages.push(data === '[DONE]' ? data : JSON.parse(data));
  return messages;
}

describe('a profile', () => {
  const start = { type: 'start', messageId: 'run-k' };
  const delta = { type: 'text-delta', id: 'text-1', delta: 'a' };

  it('replays from the start after a gap before anything was sent', async () => {
    const end = { type: 'run-end', data: { status: 'done' } };
    expect(await written([GAP, { data: 'a' }, end])).toEqual([
      ...[start, { type: 'text-start', id: 'text-1' }, delta],
      ...[{ type: 'text-end', id: 'text-1' }, { type: 'finish' }, '[DONE]'],
    ]);
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
      { type: 'error', code: 'server_error', message: errorText, sequence_number: 1 },
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
