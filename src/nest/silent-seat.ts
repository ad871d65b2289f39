import type { Seat } from '../bus/sink.js';

/** The seat of a HEAD request: the handler runs, for its status and headers, and its streams read nothing. */
export const SILENT_SEAT: Seat = {
  isSilent: true,
  isEnded: true,
  isReady: false,
  lastEventId: undefined,
  reader: undefined,
  schedule() {},
  begin() {},
  write() {},
  announce() {},
};
