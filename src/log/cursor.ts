/**
 * A place in the log: `<epoch>.<offset>`, ASCII, opaque to clients. It names the last event before the
 * place, so reading goes on with the next one. Travels as `id:` and comes back as `Last-Event-ID`. Epochs
 * grow, and offsets within an epoch, so cursors have one order.
 */
export type Cursor = string;

/** What a cursor says, once it is known to be well formed. */
export interface StreamPosition {
  readonly epoch: string;
  readonly offset: number;
}

const CURSOR = /^([A-Za-z0-9_-]{1,64})\.(0|[1-9][0-9]{0,15})$/;

/** Reads a cursor, or gives undefined for anything that this package never issues. Never throws. */
export function parseCursor(text: string): StreamPosition | undefined {
  if (text.length > 81) return undefined;
  const [, epoch, digits] = CURSOR.exec(text) ?? [];
  const offset = Number(digits);
  return epoch !== undefined && Number.isSafeInteger(offset) ? { epoch, offset } : undefined;
}

/** Whether one position comes before another: of a log that began before, or earlier in the same one. */
export function isBefore(one: StreamPosition, other: StreamPosition): boolean {
  return one.epoch < other.epoch || (one.epoch === other.epoch && one.offset < other.offset);
}

export function formatCursor(epoch: string, offset: number): Cursor {
  return `${epoch}.${offset}`;
}
