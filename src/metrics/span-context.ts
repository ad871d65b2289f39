import { isSpanContextValid, type Span, type SpanContext } from '@opentelemetry/api';
import { traceparentOf } from '../log/traceparent.js';

/** As `traceparent` has it; undefined for a span that is none, where nothing is traced. */
export function traceparentFor(span: Span | undefined): string | undefined {
  const context = span?.spanContext();
  if (context === undefined || !isSpanContextValid(context)) return undefined;
  const flags = context.traceFlags.toString(16).padStart(2, '0');
  return `00-${context.traceId}-${context.spanId}-${flags}`;
}

export function spanContextOf(traceparent: string | undefined): SpanContext | undefined {
  const [, traceId, spanId, flags] = traceparentOf(traceparent)?.split('-') ?? [];
  if (traceId === undefined || spanId === undefined) return undefined;
  const context = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags ?? '0', 16),
    isRemote: true,
  };
  return isSpanContextValid(context) ? context : undefined;
}
