import {
  type DynamicModule,
  Inject,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  Optional,
} from '@nestjs/common';
import { register, type Registry } from 'prom-client';
import { Statistics } from '../../nest/statistics.js';
import { PrometheusMetrics } from './prometheus-metrics.js';

const OPTIONS = Symbol('SsePrometheusModule options');

/** Options of `SsePrometheusModule`. */
export interface SsePrometheusOptions {
  /**
   * Where the metrics are put.
   *
   * @defaultValue `register` of prom-client, its default registry
   */
  readonly registry?: Registry | undefined;
}

/**
 * Metrics of streams, publishing, backplane and log, for prom-client: see docs/guide/metrics.md for their names.
 *
 * @example imports: [SseModule.forRoot(), SsePrometheusModule.forRoot()]
 */
@Module({})
export class SsePrometheusModule implements OnApplicationBootstrap, OnApplicationShutdown {
  #metrics: PrometheusMetrics | undefined;

  constructor(
    @Optional() @Inject(Statistics) private readonly statistics: Statistics | undefined,
    @Inject(OPTIONS) private readonly options: SsePrometheusOptions,
  ) {}

  static forRoot(options: SsePrometheusOptions = {}): DynamicModule {
    return { module: SsePrometheusModule, providers: [{ provide: OPTIONS, useValue: options }] };
  }

  /** @throws SseError `BAD_OPTION` if the registry has these metrics already */
  onApplicationBootstrap(): void {
    const statistics = Statistics.of(this.statistics, 'SsePrometheusModule');
    this.#metrics = new PrometheusMetrics(statistics, this.options.registry ?? register);
  }

  onApplicationShutdown(): void {
    this.#metrics?.close();
  }
}
