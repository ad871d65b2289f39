import type { FrameFields } from './frame.js';

/**
 * Reads what an Observable emitted as the fields of a frame: an object is taken as Nest's `MessageEvent`
 * (`{ data, id?, type?, retry?, comment? }`), anything else as its data. A string goes out as it is,
 * everything else as JSON.
 *
 * @throws TypeError if JSON cannot hold the data (a BigInt, a cycle)
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

function toText(data: unknown): string | undefined {
  if (typeof data === 'string') return data;
  return JSON.stringify(data);
}

function toToken(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : undefined;
}

function isDelay(retry: unknown): retry is number {
  return typeof retry === 'number' && Number.isSafeInteger(retry) && retry >= 0;
}
