import { isThenable } from '../errors.js';
import type { FrameFields } from './frame.js';

/**
 * Reads what an Observable emitted as the fields of a frame: an object is taken as Nest's `MessageEvent`
 * (`{ data, id?, type?, retry?, comment? }`), anything else as its data. A string goes out as it is,
 * everything else as JSON.
 *
 * @throws TypeError if JSON cannot hold the data (a BigInt, a cycle), or a field cannot be made a string
 */
export function toFields(message: unknown): FrameFields {
  if (typeof message !== 'object' || message === null) return { data: toText(message) };
  const { id, type, data, retry, comment } = message as Record<string, unknown>;
  return {
    id: toToken(id),
    type: toToken(type),
    data: toText(data),
    retry: isDelay(retry) ? retry : undefined,
    comment: toToken(comment),
  };
}

/**
 * Why a message leaves a client nothing to dispatch, and what to write instead; undefined if it does, or if
 * it is for something else (`retry`, `comment`).
 *
 * @param mayBeId whether a message that is only an id is for something: to tell a client its cursor
 */
export function faultOf(message: unknown, mayBeId: boolean): string | undefined {
  if (typeof message !== 'object' || message === null) {
    return isUnwritten(message)
      ? `A message was dropped: it is ${nameOf(message)}. ${WITH_DATA}`
      : undefined;
  }
  try {
    const { data, retry, comment, id } = message as Record<string, unknown>;
    if (isThenable(message) || isThenable(data)) return PROMISED;
    if (!isUnwritten(data) || isDelay(retry) || toToken(comment) !== undefined) return undefined;
    if (mayBeId && toToken(id) !== undefined) return undefined;
    return `A message was dropped: it is ${nameOf(message)} without data, of which a client dispatches nothing. ${WITH_DATA}`;
  } catch {
    // Whoever encodes it meets the same error, and reports it.
    return undefined;
  }
}

const PROMISED =
  'A message was dropped: it is a promise, or its data is one. Wait for it: concatMap(async (event) => …) in the ' +
  'place of map(async (event) => …) keeps the order';
const WITH_DATA =
  'A message is { data, type? }: write map((event) => ({ ...event, data: … })), and return it';

/** Whether JSON has no word for it. */
function isUnwritten(data: unknown): boolean {
  return data === undefined || typeof data === 'function' || typeof data === 'symbol';
}

function nameOf(message: unknown): string {
  if (Array.isArray(message)) return 'an array';
  if (typeof message === 'object') return 'an object';
  return message === undefined ? 'undefined' : `a ${typeof message}`;
}

function toText(data: unknown): string | undefined {
  if (typeof data === 'string') return data;
  return JSON.stringify(data);
}

/** As Nest does: what an identifier of a database, which is an object, calls itself. */
function toToken(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return isNone(value) ? undefined : String(value);
}

function isNone(value: unknown): boolean {
  return value === undefined || value === null;
}

function isDelay(retry: unknown): retry is number {
  return typeof retry === 'number' && Number.isSafeInteger(retry) && retry >= 0;
}
