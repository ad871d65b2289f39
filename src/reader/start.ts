import {
  type Cursor,
  formatCursor,
  isBefore,
  parseCursor,
  type StreamPosition,
} from '../log/cursor.js';
import type { GapReason } from '../log/event.js';
import type { Log } from '../log/log.js';
import type { ReaderContext } from './reader-context.js';
import { oldestOf } from './oldest.js';
import type { ReaderStream } from './reader-stream.js';
import type { Wait } from './waiting-room.js';

/** Where a reader begins, and why it cannot begin where it was asked to, if so. */
export interface Start {
  readonly offset: number;
  readonly gap: GapReason | undefined;
}

/** The cursor that the code of a stream goes on from, if it names one. */
export function placeByCode(streams: readonly ReaderStream[]): Cursor | undefined {
  for (const { plan } of streams) {
    const { from } = plan;
    if (typeof from === 'string' && parseCursor(from) !== undefined) return from;
  }
  return undefined;
}

/** What a new client asks to begin with, if that is a place that may be gone. */
export function beginningOf(streams: readonly ReaderStream[]): string | undefined {
  for (const { plan } of streams) {
    const { from } = plan;
    if (from === 'start') return from;
    if (typeof from === 'object' && from.since !== undefined)
      return new Date(from.since).toISOString();
  }
  return undefined;
}

/**
 * The place that a client goes on from, or the first one that any of its streams may read from: what was
 * before that was never theirs, and is no gap.
 */
export function placeWithin(
  context: ReaderContext,
  streams: readonly ReaderStream[],
  requested: Cursor | undefined,
): Cursor | undefined {
  const place = requested === undefined ? undefined : parseCursor(requested);
  let least: StreamPosition | undefined;
  for (const stream of streams) {
    const boundary = stream.boundaryIn(context);
    if (place === undefined || boundary === undefined || !isBefore(place, boundary))
      return requested;
    if (least === undefined || isBefore(boundary, least)) least = boundary;
  }
  return least === undefined ? requested : formatCursor(least.epoch, least.offset);
}

/** Whether a client that asks for a place has nothing of a stream yet: all of it that it may read is behind that. */
export function isNewTo(
  context: ReaderContext,
  stream: ReaderStream,
  requested: Cursor | undefined,
  wait: Wait | undefined,
): boolean {
  if (requested === undefined || wait?.precedes(stream) === true) return true;
  const place = parseCursor(requested);
  const boundary = stream.boundaryIn(context);
  return place !== undefined && boundary !== undefined && isBefore(place, boundary);
}

/** Whether a place is ahead of this instance's log, so that it may yet come from another instance. */
export function mayCome({ log, isLocal }: ReaderContext, requested: Cursor): boolean {
  const place = isLocal ? undefined : parseCursor(requested);
  return place !== undefined && isAhead(place, log);
}

/**
 * Finds where reading begins, and puts the streams there.
 *
 * @param isReplaced whether another log began after they had joined
 */
export function findStart(
  context: ReaderContext,
  streams: readonly ReaderStream[],
  requested: Cursor | undefined,
  isReplaced: boolean,
): Start {
  const { log, isLocal } = context;
  for (const stream of streams) {
    if (stream.plan.snapshot !== undefined) stream.startAfter(log.head, context);
    // All of it is new to them.
    else if (isReplaced) stream.startAnew(context);
  }
  // Not beyond the log: what is behind a boundary may not have come to this instance.
  const newClient = Math.min(log.head, ...streams.map(({ after }) => after));
  const start =
    requested === undefined
      ? { offset: newClient, gap: undefined }
      : startAt(log, streams, requested, isLocal, newClient);
  for (const stream of streams) {
    if (requested !== undefined && start.gap !== 'unknown') {
      stream.resumeAfter(start.offset, context);
    }
    stream.topics.seek(start.offset);
  }
  return start;
}

/**
 * Finds the place that a client asks for. `unknown` begins as a new client does, a log that is gone at the
 * oldest event that this one has; whether a place of this log is still covered is a matter of topics.
 */
function startAt(
  log: Log,
  streams: readonly ReaderStream[],
  requested: Cursor,
  isLocal: boolean,
  newClient: number,
): Start {
  const place = parseCursor(requested);
  if (place === undefined) return { offset: newClient, gap: 'unknown' };
  const isGone = isLocal ? place.epoch !== log.epoch : place.epoch < log.epoch;
  if (isGone) return { offset: oldestOf(streams, log), gap: 'epoch' };
  if (isAhead(place, log)) return { offset: newClient, gap: 'unknown' };
  return { offset: place.offset, gap: undefined };
}

function isAhead(place: StreamPosition, { epoch, head }: Log): boolean {
  return isBefore({ epoch, offset: head }, place);
}
