import { HttpException, HttpStatus, ServiceUnavailableException } from '@nestjs/common';
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

/**
 * What answers a client that is no EventSource, where its stream ends before it has begun: the end of a 200 would be
 * taken for the whole of what it asked for.
 *
 * @param isOverLimit whether it is its own connections that are too many (RFC 6585, section 4)
 */
export function refusal(isOverLimit: boolean): HttpException {
  return isOverLimit
    ? new HttpException('Too many streams are open: close one', HttpStatus.TOO_MANY_REQUESTS)
    : new ServiceUnavailableException('No stream can be opened now: try again later');
}
