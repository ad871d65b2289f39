import type { IncomingMessage } from 'node:http';
import {
  type DynamicModule,
  Inject,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  Optional,
} from '@nestjs/common';
import { HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { type MeterProvider, metrics, trace, type TracerProvider } from '@opentelemetry/api';
import { checkOnce, withoutForRoot } from '../modules.js';
import { Statistics } from '../nest/statistics.js';
import { GivenOptions } from '../options.js';
import { EventSpans } from './event-spans.js';
import { givenMeterProvider, givenTracerProvider } from './providers.js';
import { RequestSpans } from './request-spans.js';

const OPTIONS = Symbol('SseTracingModule options');
const NAME = 'nestjs-event-stream';
const KNOWN = ['tracerProvider', 'meterProvider', 'isEventStream'];

/** Options of `SseTracingModule`. */
export interface SseTracingOptions {
  /**
   * Who gives the tracer.
   *
   * @defaultValue the one that `@opentelemetry/api` knows when the application starts
   */
  readonly tracerProvider?: TracerProvider | undefined;
  /**
   * Who gives the meter of `http.server.request.duration`, for requests that the HTTP instrumentation ignores.
   *
   * @defaultValue the one that `@opentelemetry/api` knows when the application starts
   */
  readonly meterProvider?: MeterProvider | undefined;
  /**
   * Which requests are for event streams, as far as can be told before they are routed.
   *
   * @defaultValue those that accept `text/event-stream`, as `EventSource` does
   */
  readonly isEventStream?: ((request: IncomingMessage) => boolean) | undefined;
}

/**
 * Traces publishing, delivery, requests for event streams and the streams themselves, with OpenTelemetry: see
 * docs/guide/tracing.md.
 *
 * @example imports: [SseModule.forRoot(), SseTracingModule.forRoot()]
 */
@Module({})
export class SseTracingModule implements OnApplicationBootstrap, OnApplicationShutdown {
  #spans: readonly { close(): void }[] = [];

  constructor(
    @Optional() @Inject(Statistics) private readonly statistics: Statistics | undefined,
    @Optional() @Inject(OPTIONS) private readonly options: SseTracingOptions | undefined,
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(ModulesContainer) modules: ModulesContainer,
  ) {
    checkOnce(modules, SseTracingModule, 'two of them would tell everything twice');
  }

  /** @throws SseError `BAD_OPTION`, or `DUPLICATE_MODULE`, when the application starts */
  static forRoot(options: SseTracingOptions = {}): DynamicModule {
    return { module: SseTracingModule, providers: [{ provide: OPTIONS, useValue: options }] };
  }

  onApplicationBootstrap(): void {
    const statistics = Statistics.of(this.statistics, 'SseTracingModule');
    if (this.options === undefined) throw withoutForRoot(SseTracingModule);
    const given = new GivenOptions('SseTracingModule', 'options', this.options, KNOWN);
    const tracer = (givenTracerProvider(given) ?? trace.getTracerProvider()).getTracer(NAME);
    const meter = (givenMeterProvider(given) ?? metrics.getMeterProvider()).getMeter(NAME);
    const isEventStream = given.function('isEventStream') as SseTracingOptions['isEventStream'];
    // None in an application context without HTTP.
    const adapter = this.host.httpAdapter as HttpAdapterHost['httpAdapter'] | undefined;
    const server: unknown = adapter?.getHttpServer();
    this.#spans = [
      new EventSpans(statistics, tracer),
      new RequestSpans(statistics, tracer, meter, server, isEventStream ?? acceptsEvents),
    ];
  }

  onApplicationShutdown(): void {
    for (const spans of this.#spans) spans.close();
  }
}

function acceptsEvents({ headers }: IncomingMessage): boolean {
  return headers.accept?.includes('text/event-stream') === true;
}
