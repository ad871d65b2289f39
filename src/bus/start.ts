import { type Cursor, parseCursor } from '../log/cursor.js';
import type { GapReason } from '../log/event.js';
import type { Log } from '../log/log.js';
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

/**
 * Finds the place that a client asks for. `unknown` begins as a new client does, another epoch at the
 * oldest event that the log has; whether a place of this epoch is still covered is a matter of topics.
 */
export function startAt(log: Log, requested: string, isLocal: boolean, newClient: number): Start {
  const place = parseCursor(requested);
  if (place === undefined) return { offset: newClient, gap: 'unknown' };
  if (place.epoch !== log.epoch) return { offset: log.lost, gap: 'epoch' };
  // With other instances, a cursor may be ahead of this one's replica: no gap, wait for it.
  if (place.offset > log.head && isLocal) return { offset: newClient, gap: 'unknown' };
  return { offset: place.offset, gap: undefined };
}
