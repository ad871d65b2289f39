import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type INestApplication, Logger } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { EventBus, SseModule } from 'nestjs-event-stream';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { LogLines } from '../support/log-lines.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import {
  BackplaneHealthIndicator,
  HealthController,
} from '../../examples/several-instances/health.controller.js';
import { RedisServer } from './support/redis-server.js';

describeWith(REDIS_SERVER, 'the readiness probe of docs/scaling.md', (path) => {
  let redis: RedisServer;
  let app: INestApplication;

  beforeAll(async () => {
    Logger.overrideLogger(new LogLines());
    redis = await RedisServer.start(path);
    const backplane = redisBackplane({ url: redis.url, publishTimeout: 300, checkInterval: 100 });
    const module = await Test.createTestingModule({
      imports: [SseModule.forRoot({ backplane }), TerminusModule.forRoot({ logger: false })],
      controllers: [HealthController],
      providers: [BackplaneHealthIndicator],
    }).compile();
    app = module.createNestApplication();
    await app.listen(0, '127.0.0.1');
  });

  afterAll(async () => {
    redis.resume();
    await app.close();
    await redis.stop();
    Logger.overrideLogger(false);
  });

  async function ready(): Promise<{ status: number; events: Record<string, unknown> }> {
    const response = await fetch(`${await app.getUrl()}/health/ready`);
    const { details } = (await response.json()) as {
      details: { events: Record<string, unknown> };
    };
    return { status: response.status, events: details.events };
  }

  it('is up while the instance gets what is published', async () => {
    const cursor = await app.get(EventBus).publish('news', { data: 1 });
    await until('the event is there', () => app.get(EventBus).head === cursor);
    expect(await ready()).toEqual({
      status: 200,
      events: { status: 'up', lagEvents: 0, lagMs: 0 },
    });
  });

  it('is down while Redis hangs, and up when it answers again', async () => {
    redis.pause();
    await until('it is down', async () => (await ready()).status === 503);
    expect((await ready()).events).toMatchObject({ status: 'down', isConnected: false });
    redis.resume();
    await until('it is up', async () => (await ready()).status === 200);
  });
});
