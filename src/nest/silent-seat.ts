import type { Seat } from '../bus/sink.js';

/** The seat of a HEAD request: the handler runs, for its status and headers, and its streams read nothing. */
export const SILENT_SEAT = {
  isSilent: true,
  isEnded: true,
  room: 0,
  lastEventId: undefined,
  reader: undefined,
  schedule() {},
  run() {},
  begin() {},
  write() {},
  announce() {},
  behind: () => undefined,
} as const satisfies Seat;
