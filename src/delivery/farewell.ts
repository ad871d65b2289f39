import { encodeFrame } from '../wire/frame.js';
import type { EndReason } from './connection-info.js';

/** Whether a client is told to come back much later, rather than as soon as it would. */
export function isToStayAway(reason: EndReason | undefined): boolean {
  return reason === 'refused' || reason === 'replaced';
}

/**
 * What a client is told at the end of its connection, if that is anything.
 *
 * @param retry undefined if there is nothing new to tell of it
 */
export function farewellFrame(reason: EndReason, retry: number | undefined): Buffer | undefined {
  if (reason === 'replaced') {
    return encodeFrame({ type: 'closed', data: JSON.stringify({ reason }), retry });
  }
  return retry === undefined ? undefined : encodeFrame({ retry });
}
