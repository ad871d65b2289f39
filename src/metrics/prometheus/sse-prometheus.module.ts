import {
  type DynamicModule,
  Inject,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  Optional,
} from '@nestjs/common';
import { register, type Registry } from 'prom-client';
import { withoutForRoot } from '../../modules.js';
import { Statistics } from '../../nest/statistics.js';
import { GivenOptions } from '../../options.js';
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
    @Optional() @Inject(OPTIONS) private readonly options: SsePrometheusOptions | undefined,
  ) {}

  /** @throws SseError `BAD_OPTION` when the application starts, also if the registry has these metrics already */
  static forRoot(options: SsePrometheusOptions = {}): DynamicModule {
    return { module: SsePrometheusModule, providers: [{ provide: OPTIONS, useValue: options }] };
  }

  onApplicationBootstrap(): void {
    const statistics = Statistics.of(this.statistics, 'SsePrometheusModule');
    if (this.options === undefined) throw withoutForRoot(SsePrometheusModule);
    const given = new GivenOptions('SsePrometheusModule', 'options', this.options, ['registry']);
    this.#metrics = new PrometheusMetrics(statistics, registryOf(given) ?? register);
  }

  onApplicationShutdown(): void {
    this.#metrics?.close();
  }
}

function registryOf(given: GivenOptions): Registry | undefined {
  const value = given.get('registry') as Partial<Registry> | null | undefined;
  if (value === undefined || typeof value?.getSingleMetric === 'function') return value as Registry;
  throw given.bad('registry', 'a Registry of prom-client');
}
