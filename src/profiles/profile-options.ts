import { BadRequestException } from '@nestjs/common';
import { GivenOptions } from '../options.js';
import { AI_SDK } from './ai-sdk.js';
import { openai } from './openai.js';
import type { Profile } from './profile.js';

/** What `Number()` takes for one is more: an empty space, `1e0`, `0x1`. */
const WHOLE_NUMBER = /^-?\d+$/;

/** How a run is told to clients that speak another protocol than that of an EventSource. */
export type ProfileOptions =
  | {
      /** The AI SDK's UI message stream, version 1: `useChat({ resume: true })` reads it. */
      readonly as: 'ai-sdk';
    }
  | {
      /** Streaming of OpenAI's Responses API. */
      readonly as: 'openai';
      /** The `sequence_number` after which the client goes on: `?starting_after=`, as it came. */
      readonly startingAfter?: number | string | undefined;
    };

/** @throws SseError `BAD_OPTION`; BadRequestException for a `startingAfter` that is no number, as a client has sent it */
export function profileOf(options: ProfileOptions): Profile {
  const given = new GivenOptions('runs.stream()', 'options', options, ['as', 'startingAfter']);
  const as = given.get('as');
  if (as === 'openai') return openai(sequenceNumber(given.get('startingAfter')));
  if (as !== 'ai-sdk') throw given.bad('as', "'ai-sdk' or 'openai'");
  if (given.has('startingAfter')) throw given.bad('startingAfter', "left out with as: 'ai-sdk'");
  return AI_SDK;
}

function sequenceNumber(value: unknown): number | undefined {
  if (value === undefined || value === '') return undefined;
  const number = typeof value === 'string' && WHOLE_NUMBER.test(value) ? Number(value) : value;
  if (Number.isSafeInteger(number)) return number as number;
  throw new BadRequestException('starting_after is a sequence_number: a whole number');
}
