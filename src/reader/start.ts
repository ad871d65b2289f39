import { type Cursor, isBefore, parseCursor, type StreamPosition } from '../log/cursor.js';
import type { GapReason } from '../log/event.js';
import type { Log } from '../log/log.js';
import type { ReaderContext } from './reader-context.js';
import type { ReaderStream } from './reader-stream.js';

/** Where a reader begins, and why it cannot begin where it was asked to, if so. */
export interface Start {
  readonly offset: number;
  readonly gap: GapReason | undefined;
}

/** The cursor that the code of a stream goes on from, if it names one. */
export function placeByCode(streams: readonly ReaderStream[]): Cursor | undefined {
  const isPlace = (from: string) => from !== 'now' && from !== 'earliest';
  return streams.find(({ plan }) => isPlace(plan.from))?.plan.from;
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
  { log, isLocal }: ReaderContext,
  streams: readonly ReaderStream[],
  requested: Cursor | undefined,
  isReplaced: boolean,
): Start {
  for (const stream of streams) {
    if (stream.plan.snapshot !== undefined) stream.after = log.head;
    // All of it is new to them.
    else if (isReplaced) stream.after = log.lost;
  }
  const newClient = Math.min(...streams.map(({ after }) => after));
  const start =
    requested === undefined
      ? { offset: newClient, gap: undefined }
      : startAt(log, requested, isLocal, newClient);
  for (const stream of streams) {
    if (requested !== undefined && start.gap !== 'unknown') stream.after = start.offset;
    stream.topics.seek(start.offset);
  }
  return start;
}

/**
 * Finds the place that a client asks for. `unknown` begins as a new client does, a log that is gone at the
 * oldest event that this one has; whether a place of this log is still covered is a matter of topics.
 */
function startAt(log: Log, requested: Cursor, isLocal: boolean, newClient: number): Start {
  const place = parseCursor(requested);
  if (place === undefined) return { offset: newClient, gap: 'unknown' };
  const isGone = isLocal ? place.epoch !== log.epoch : place.epoch < log.epoch;
  if (isGone) return { offset: log.lost, gap: 'epoch' };
  if (isAhead(place, log)) return { offset: newClient, gap: 'unknown' };
  return { offset: place.offset, gap: undefined };
}

function isAhead(place: StreamPosition, { epoch, head }: Log): boolean {
  return isBefore({ epoch, offset: head }, place);
}
