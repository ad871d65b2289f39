import { HttpException } from '@nestjs/common';
import { messageOf } from '../errors.js';
import type { Dialect } from '../reader/sink.js';
import { encodeFrame } from '../wire/frame.js';

/** What a client is told of an error that is none of its business. */
const NEUTRAL = 'Internal server error';

/**
 * The frame that tells a client of an error after the headers are out: the message of an HttpException,
 * which was written for clients; of anything else nothing.
 */
export function exceptionFrame(error: unknown, dialect?: Dialect): Buffer {
  const message = clientMessageOf(error);
  if (dialect !== undefined) return Buffer.concat(dialect.error(message).map(encodeFrame));
  return encodeFrame({ type: 'exception', data: message });
}

/** What a client is told of an error. */
export function clientMessageOf(error: unknown): string {
  return isForClients(error) ? messageOf(error) : NEUTRAL;
}

function isForClients(error: unknown): boolean {
  try {
    return error instanceof HttpException && !(error.getResponse() instanceof Error);
  } catch {
    return false;
  }
}
