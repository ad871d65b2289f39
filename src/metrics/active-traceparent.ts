import { trace } from '@opentelemetry/api';
import { traceparentFor } from './span-context.js';

/**
 * The `traceparent` of the active span, for publishers outside Nest.
 *
 * @example createPublisher(backplane, { traceparent: activeTraceparent })
 */
export function activeTraceparent(): string | undefined {
  return traceparentFor(trace.getActiveSpan());
}
