import { describe, expect, it } from '@jest/globals';
import { Controller, Get, type MessageEvent, Sse } from '@nestjs/common';
import { HealthCheck, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { type BackplaneHealth, EventBus, MemoryBackplane } from 'nestjs-event-stream';
import { SseHealthIndicator } from 'nestjs-event-stream/terminus';
import type { Observable } from 'rxjs';
import { eachAdapter, onExpress, urlOf } from '../support/each-adapter.js';
import { until } from '../support/until.js';

@Controller()
class Routes {
  constructor(
    private readonly bus: EventBus,
    private readonly health: HealthCheckService,
    private readonly events: SseHealthIndicator,
  ) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Get('ready')
  @HealthCheck()
  ready() {
    return this.health.check([() => this.events.isReady('events', { maxLag: 500 })]);
  }

  @Get('alive')
  @HealthCheck()
  alive() {
    return this.health.check([() => this.events.isAlive('events')]);
  }
}

/** As healthy as a test says. */
class StatedBackplane extends MemoryBackplane {
  stated: Partial<BackplaneHealth> = {};

  override get health(): BackplaneHealth {
    return { ...super.health, ...this.stated };
  }
}

function setup(backplane = new MemoryBackplane()) {
  const imports = [TerminusModule.forRoot({ logger: false })];
  return { sse: { backplane }, imports, controllers: [Routes], providers: [SseHealthIndicator] };
}

eachAdapter((bench) => {
  it('is not ready while it shuts down, and alive', async () => {
    const app = await bench.start(setup());
    const client = await bench.connect(app, '/news');
    client.pause();
    const data = 'x'.repeat(500_000);
    for (let count = 0; count < 20; count++) await app.get(EventBus).publish('news', { data });
    const indicator = app.get(SseHealthIndicator);
    expect(indicator.isReady('events').events.status).toBe('up');
    const closed = app.close();
    await until('it drains', () => indicator.isReady('events').events.status === 'down');
    expect(indicator.isReady('events').events).toMatchObject({ isDraining: true, connections: 1 });
    expect(indicator.isAlive('events').events.status).toBe('up');
    client.resume();
    await closed;
  });
});

describe('SseHealthIndicator', () => {
  const bench = onExpress();

  it('tells an instance that is behind, and one that is stuck', async () => {
    const backplane = new StatedBackplane();
    const app = await bench.start(setup(backplane));
    const statuses = async () => {
      const answers = ['ready', 'alive'].map((name) => fetch(`${urlOf(app)}/${name}`));
      return (await Promise.all(answers)).map(({ status }) => status);
    };
    expect(await statuses()).toEqual([200, 200]);
    backplane.stated = { lagMs: 500, lagEvents: 7 };
    expect(await statuses()).toEqual([503, 200]);
    backplane.stated = { lagMs: 70_000, isConnected: false };
    expect(await statuses()).toEqual([503, 200]);
    backplane.stated = { lagMs: 70_000 };
    expect(await statuses()).toEqual([503, 503]);
  });

  it('refuses options that there are not', async () => {
    const app = await bench.start(setup());
    const indicator = app.get(SseHealthIndicator);
    expect(() => indicator.isReady('events', { maxLag: 0 })).toThrow(
      /maxLag has to be a whole number from 1/,
    );
  });

  it('says what is missing where SseModule is', async () => {
    const imports = [TerminusModule.forRoot({ logger: false })];
    const starting = bench.start({ sse: false, imports, providers: [SseHealthIndicator] });
    await expect(starting).rejects.toThrow(
      /SseHealthIndicator has nothing to look at: import SseModule/,
    );
  });
});
