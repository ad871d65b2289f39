import {
  type DynamicModule,
  Inject,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  Optional,
} from '@nestjs/common';
import { type MeterProvider, metrics } from '@opentelemetry/api';
import { Statistics } from '../nest/statistics.js';
import { OpenTelemetryMetrics } from './open-telemetry-metrics.js';

const OPTIONS = Symbol('SseMetricsModule options');

/** Options of `SseMetricsModule`. */
export interface SseMetricsOptions {
  /**
   * Who gives the meter.
   *
   * @defaultValue the one that `@opentelemetry/api` knows, as SDKs set it, when the application starts
   */
  readonly meterProvider?: MeterProvider | undefined;
}

/**
 * Metrics of streams, publishing, backplane and log, for OpenTelemetry: see docs/guide/metrics.md for their names.
 *
 * @example imports: [SseModule.forRoot(), SseMetricsModule.forRoot()]
 */
@Module({})
export class SseMetricsModule implements OnApplicationBootstrap, OnApplicationShutdown {
  #metrics: OpenTelemetryMetrics | undefined;

  constructor(
    @Optional() @Inject(Statistics) private readonly statistics: Statistics | undefined,
    @Inject(OPTIONS) private readonly options: SseMetricsOptions,
  ) {}

  static forRoot(options: SseMetricsOptions = {}): DynamicModule {
    return { module: SseMetricsModule, providers: [{ provide: OPTIONS, useValue: options }] };
  }

  onApplicationBootstrap(): void {
    const statistics = Statistics.of(this.statistics, 'SseMetricsModule');
    const provider = this.options.meterProvider ?? metrics.getMeterProvider();
    this.#metrics = new OpenTelemetryMetrics(statistics, provider.getMeter('nestjs-event-stream'));
  }

  onApplicationShutdown(): void {
    this.#metrics?.close();
  }
}
