export type SseErrorCode =
  | 'BAD_EVENT'
  | 'BAD_TOPIC'
  | 'BAD_OPTION'
  | 'DUPLICATE_MODULE'
  | 'BACKPLANE_UNAVAILABLE'
  | 'PUBLISH_OUTCOME_UNKNOWN'
  | 'BACKPLANE_BROKEN'
  | 'BACKPLANE_CLOSED';

/** Every error of this package: `code` is for programs, `message` says what was received and what to do. */
export class SseError extends Error {
  override readonly name = 'SseError';

  constructor(
    readonly code: SseErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A short, safe rendering of a value that somebody passed by mistake, for error messages. */
export function received(value: unknown): string {
  if (typeof value === 'string') {
    return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  }
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return `an object`;
  return String(value);
}
