// An application as OpenTelemetry's HTTP instrumentation finds it: patched before anything loads node:http.
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { ignoreEventStreams } from '../../src/metrics/instrumentation/index.js';

/** What the test is told. */
export interface Report {
  readonly port?: number;
  /** Packages in CommonJS that were loaded before instrumentations could patch them, with those that they are made of. */
  readonly loadedBefore?: readonly string[];
  readonly spans?: readonly ReportedSpan[];
  readonly durations?: readonly ReportedDuration[];
}

export interface ReportedSpan {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly milliseconds: number;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** One series of `http.server.request.duration`. */
export interface ReportedDuration {
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly count: number;
  /** Seconds. */
  readonly max: number;
}

class AskedReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

const exporter = new InMemorySpanExporter();
const reader = new AskedReader();
trace.setGlobalTracerProvider(
  new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
);
metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());
const loadedBefore = Object.keys(createRequire(import.meta.url).cache).map(packageOf);
const isCured = process.argv.includes('--cured');
new HttpInstrumentation(isCured ? { ignoreIncomingRequestHook: ignoreEventStreams } : {}).enable();

const { start } = await import('./instrumented.application.js');
const app = await start();

process.on('message', () => void report());
process.on('disconnect', () => void app.close().then(() => process.exit()));
const { port } = (app.getHttpServer() as { address(): AddressInfo }).address();
process.send?.({ port, loadedBefore: [...new Set(loadedBefore)] } satisfies Report);

async function report(): Promise<void> {
  const { resourceMetrics } = await reader.collect();
  const durations = resourceMetrics.scopeMetrics
    .flatMap((scope) => scope.metrics)
    .filter(({ descriptor }) => descriptor.name === 'http.server.request.duration')
    .flatMap(({ dataPoints }) =>
      dataPoints.map(({ attributes, value }) => {
        const { count, max = 0 } = value as { readonly count: number; readonly max?: number };
        return { attributes, count, max };
      }),
    );
  const spans = exporter.getFinishedSpans().map((span) => ({
    name: span.name,
    kind: span.kind,
    traceId: span.spanContext().traceId,
    spanId: span.spanContext().spanId,
    parentSpanId: span.parentSpanContext?.spanId,
    milliseconds: span.duration[0] * 1_000 + span.duration[1] / 1e6,
    attributes: { ...span.attributes },
  }));
  process.send?.({ spans, durations } satisfies Report);
}

function packageOf(file: string): string {
  return /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? file;
}
