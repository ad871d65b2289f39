import { GivenOptions } from '../options.js';
import { type ProfileOptions, profileOf } from '../profiles/profile-options.js';
import type { Profile } from '../profiles/profile.js';
import type { Merge } from './merges.js';

/** Options of `runs.stream()`. */
export interface RunStreamOptions {
  /**
   * Makes one event of two that follow each other, for clients that get what was emitted before they came: thousands of
   * tokens arrive as a few events, each with the cursor of the last one that it stands for. What is live goes out as it is
   * emitted. It is given `{ type?, data }` twice, and returns the same, or undefined for what stays two events. Let it be one
   * function for all clients, for what it has made is kept for the next one; and say the same whenever it is asked. One that
   * throws, or returns anything else, is logged once, and the run is told as it was emitted.
   *
   * @example merge: (a, b) => a.type === b.type ? { ...a, data: `${a.data}${b.data}` } : undefined
   */
  readonly merge?: Merge | undefined;
  /**
   * What becomes of a client that asks for a run which nobody knows, or no longer: 204, which keeps an EventSource away for
   * good, 404, or `'wait'`, for clients that may come before `start` was called: their response begins, and they are given the
   * next run of that id, all of it. They wait as long as their connection lives, and go on waiting when they come back.
   *
   * @defaultValue `unknown` of `SseRunsModule`
   */
  readonly unknown?: UnknownRun | undefined;
  readonly as?: undefined;
}

/** What becomes of a client that asks for a run which nobody knows. */
export type UnknownRun = 204 | 404 | 'wait';

/** Complete and checked options of `runs.stream()`. */
export type RunStream =
  | { readonly profile: Profile; readonly as: string }
  | {
      readonly profile?: undefined;
      readonly merge: Merge | undefined;
      readonly unknown: UnknownRun | undefined;
    };

/** @throws SseError `BAD_OPTION`; BadRequestException as {@link profileOf} does */
export function runStreamOf(options: RunStreamOptions | ProfileOptions): RunStream {
  if (isProfiled(options)) return { profile: profileOf(options), as: options.as };
  const given = new GivenOptions('runs.stream()', 'options', options, ['merge', 'unknown', 'as']);
  return { merge: given.function('merge') as Merge | undefined, unknown: unknownOf(given) };
}

function unknownOf(given: GivenOptions): UnknownRun | undefined {
  const unknown = given.get('unknown');
  if (unknown === undefined || unknown === 204 || unknown === 404 || unknown === 'wait')
    return unknown;
  throw given.bad('unknown', "204, 404 or 'wait'");
}

function isProfiled(options: RunStreamOptions | ProfileOptions): options is ProfileOptions {
  return (options as { readonly as?: unknown } | null)?.as !== undefined;
}
