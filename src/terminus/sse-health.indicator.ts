import { Inject, Injectable, Optional } from '@nestjs/common';
import { type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import { Statistics } from '../nest/statistics.js';
import { GivenOptions } from '../options.js';

/** When an instance is ready. */
export interface ReadinessOptions {
  /**
   * Milliseconds that it may be behind the backplane.
   *
   * @defaultValue 10_000
   */
  readonly maxLag?: number | undefined;
}

const MAX_LAG = 10_000;
/** Milliseconds behind a backplane that is there, after which only a restart helps. */
const STUCK = 60_000;

/**
 * Health of event streams, for `@nestjs/terminus`. A provider of the module that has the health controller and
 * imports `TerminusModule`.
 *
 * @example this.health.check([() => this.events.isReady('events')]);
 */
@Injectable()
export class SseHealthIndicator {
  readonly #indicators: HealthIndicatorService;
  readonly #statistics: Statistics;

  /** @internal Made by Nest. */
  constructor(
    @Inject(HealthIndicatorService) indicators: HealthIndicatorService,
    @Optional() @Inject(Statistics) statistics: Statistics | undefined,
  ) {
    this.#indicators = indicators;
    this.#statistics = Statistics.of(statistics, 'SseHealthIndicator');
  }

  /**
   * For readiness: up while the backplane is connected, the log has caught up with it, and the application is not
   * shutting down. It asks nobody, so it can be called as often as it likes.
   *
   * @throws SseError `BAD_OPTION`
   */
  isReady<const Key extends string>(
    key: Key,
    options: ReadinessOptions = {},
  ): HealthIndicatorResult<Key> {
    const given = new GivenOptions('SseHealthIndicator.isReady()', 'options', options, ['maxLag']);
    const maxLag = given.number('maxLag', MAX_LAG, { least: 1 });
    const { backplane, connections } = this.#statistics;
    const { isConnected, lagEvents, lagMs } = backplane.health;
    const { isDraining } = connections;
    const state = {
      isConnected,
      isDraining,
      lagEvents,
      lagMs,
      connections: connections.connections.size,
    };
    const indicator = this.#indicators.check(key);
    const isReady = isConnected && !isDraining && lagMs < maxLag;
    return isReady ? indicator.up(state) : indicator.down(state);
  }

  /**
   * For liveness: down only when a restart would help, because an instance whose backplane is there has not come
   * any further for a minute. One whose backplane is away is alive: it holds its clients' streams, and a restart
   * would only make them reconnect.
   */
  isAlive<const Key extends string>(key: Key): HealthIndicatorResult<Key> {
    const { isConnected, lagMs } = this.#statistics.backplane.health;
    const indicator = this.#indicators.check(key);
    return isConnected && lagMs >= STUCK ? indicator.down({ lagMs }) : indicator.up({ lagMs });
  }
}
