/** Version 00 of W3C Trace Context, section 3.2: version, trace, parent, flags. */
const TRACEPARENT = /^00-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/;

/** What travels with an event as its trace; undefined for anything that is none. */
export function traceparentOf(value: unknown): string | undefined {
  return typeof value === 'string' && TRACEPARENT.test(value) ? value : undefined;
}
