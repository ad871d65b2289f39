import type { Cursor } from '../log/cursor.js';

/** A place in the log with the id that the event before it has in the stream. */
export interface RedisPosition {
  readonly epoch: string;
  readonly offset: number;
  readonly id: string;
}

/** What the script answers: where the log ends, and the cursors of the events that it was given. */
export interface LogState {
  readonly end: RedisPosition;
  /** Redis' clock, in milliseconds. */
  readonly now: number;
  readonly cursors: readonly Cursor[];
}

export function parseState(reply: unknown): LogState {
  const [epoch, offset, id, now, cursors] = reply as [string, string, string, string, Cursor[]];
  return { end: { epoch, offset: Number(offset), id }, now: Number(now), cursors };
}
