import { Controller, Get, Injectable } from '@nestjs/common';
import {
  HealthCheck,
  HealthCheckService,
  type HealthIndicatorResult,
  HealthIndicatorService,
} from '@nestjs/terminus';
import { Backplane } from 'nestjs-event-stream';

@Injectable()
export class BackplaneHealthIndicator {
  constructor(
    private readonly backplane: Backplane,
    private readonly indicators: HealthIndicatorService,
  ) {}

  isCurrent(key: string): HealthIndicatorResult {
    const { isConnected, lagEvents, lagMs } = this.backplane.health;
    const indicator = this.indicators.check(key);
    return isConnected && lagMs < 10_000
      ? indicator.up({ lagEvents, lagMs })
      : indicator.down({ isConnected, lagEvents, lagMs });
  }
}

@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly backplane: BackplaneHealthIndicator,
  ) {}

  @Get('ready')
  @HealthCheck()
  ready() {
    return this.health.check([() => this.backplane.isCurrent('events')]);
  }
}
