import {
  type DynamicModule,
  Inject,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  Optional,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { type MeterProvider, metrics } from '@opentelemetry/api';
import { checkOnce, withoutForRoot } from '../modules.js';
import { Statistics } from '../nest/statistics.js';
import { GivenOptions } from '../options.js';
import { OpenTelemetryMetrics } from './open-telemetry-metrics.js';
import { givenMeterProvider } from './providers.js';

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
    @Optional() @Inject(OPTIONS) private readonly options: SseMetricsOptions | undefined,
    @Inject(ModulesContainer) modules: ModulesContainer,
  ) {
    checkOnce(modules, SseMetricsModule, 'two of them would count everything twice');
  }

  /** @throws SseError `BAD_OPTION`, or `DUPLICATE_MODULE`, when the application starts */
  static forRoot(options: SseMetricsOptions = {}): DynamicModule {
    return { module: SseMetricsModule, providers: [{ provide: OPTIONS, useValue: options }] };
  }

  onApplicationBootstrap(): void {
    const statistics = Statistics.of(this.statistics, 'SseMetricsModule');
    if (this.options === undefined) throw withoutForRoot(SseMetricsModule);
    const given = new GivenOptions('SseMetricsModule', 'options', this.options, ['meterProvider']);
    const provider = givenMeterProvider(given) ?? metrics.getMeterProvider();
    this.#metrics = new OpenTelemetryMetrics(statistics, provider.getMeter('nestjs-event-stream'));
  }

  onApplicationShutdown(): void {
    this.#metrics?.close();
  }
}
