import type { ConnectionPort } from '../reader/sink.js';

/** The connection of a HEAD request: the handler runs, for its status and headers, and its streams read nothing. */
export const HEAD_CONNECTION = {
  isSilent: true,
  isEnded: true,
  room: 0,
  lastEventId: undefined,
  reader: undefined,
  schedule() {},
  run() {},
  begin() {},
  write() {},
  tell() {},
  announce() {},
  endForGood() {},
  directOutputFor: () => undefined,
} as const satisfies ConnectionPort;
