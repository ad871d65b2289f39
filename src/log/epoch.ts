import { randomBytes } from 'node:crypto';

/** Hexadecimal digits of a time in an epoch: milliseconds until the year 2527. */
const TIME_DIGITS = 11;

let latest = 0;

/**
 * A log identity that no other process and no later start will use. It begins with the time, so that the
 * epoch of a later log is greater as a string, also when the clock is set back while the process runs.
 */
export function newEpoch(): string {
  latest = Math.max(Date.now(), latest + 1);
  return latest.toString(16).padStart(TIME_DIGITS, '0') + randomDigits();
}

/** The end of an epoch, five hexadecimal digits: two logs may begin in one millisecond. */
export function randomDigits(): string {
  return randomBytes(3).toString('hex').slice(1);
}
