import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';

/** A tracer of a test's own, and the spans that have ended. */
export class Spans {
  readonly #exporter = new InMemorySpanExporter();
  readonly tracerProvider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(this.#exporter)],
  });

  constructor() {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  }

  named(name: string): ReadableSpan[] {
    return this.#exporter.getFinishedSpans().filter((span) => span.name === name);
  }

  /** Works within a span, as whoever handles a request does. */
  async within<T>(
    work: () => Promise<T>,
  ): Promise<{ readonly traceId: string; readonly value: T }> {
    const span = this.tracerProvider.getTracer('test').startSpan('work');
    const value = await context.with(trace.setSpan(context.active(), span), work);
    span.end();
    return { traceId: span.spanContext().traceId, value };
  }

  async stop(): Promise<void> {
    context.disable();
    await this.tracerProvider.shutdown();
  }
}
