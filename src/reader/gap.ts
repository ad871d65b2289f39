import type { Cursor } from '../log/cursor.js';
import { looseEvent } from '../log/entry.js';
import type { GapData, GapReason, SseEvent } from '../log/event.js';
import { encodeFrame } from '../wire/frame.js';

/** Characters of what a client asked for that it is told again. */
const MAX_REQUESTED = 128;

/** A gap, as an event for subscribers and as a frame for a client. */
export interface Gap {
  readonly event: SseEvent;
  readonly frame: Buffer;
}

/** @param id what the client is told as its cursor; undefined while it owns none */
export function makeGap(
  reason: GapReason,
  from: string,
  resumedAt: Cursor,
  id: Cursor | undefined,
): Gap {
  const requested = from.slice(0, MAX_REQUESTED).toWellFormed();
  const text = JSON.stringify({ reason, requested, resumedAt } satisfies GapData);
  return {
    event: looseEvent({ topics: [], type: 'gap', text, isJson: true }, resumedAt),
    frame: encodeFrame({ id, type: 'gap', data: text }),
  };
}
