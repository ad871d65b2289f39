import { Controller, Get } from '@nestjs/common';
import { HealthCheck, HealthCheckService } from '@nestjs/terminus';
import { SseHealthIndicator } from 'nestjs-event-stream/terminus';

@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly events: SseHealthIndicator,
  ) {}

  @Get('ready')
  @HealthCheck()
  ready() {
    return this.health.check([() => this.events.isReady('events')]);
  }

  @Get('alive')
  @HealthCheck()
  alive() {
    return this.health.check([() => this.events.isAlive('events')]);
  }
}
