import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type INestApplication, Logger } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { EventBus, SseModule } from 'nestjs-event-stream';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { SseHealthIndicator } from 'nestjs-event-stream/terminus';
import { LogLines } from '../support/log-lines.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { HealthController } from '../../examples/several-instances/health.controller.js';
import { RedisServer } from './support/redis-server.js';

describeWith(REDIS_SERVER, 'the probes of docs/guide/health.md', (path) => {
  let redis: RedisServer;
  let app: INestApplication;

  beforeAll(async () => {
    Logger.overrideLogger(new LogLines());
    redis = await RedisServer.start(path);
    const backplane = redisBackplane({ url: redis.url, publishTimeout: 1_000, checkInterval: 100 });
    const module = await Test.createTestingModule({
      imports: [SseModule.forRoot({ backplane }), TerminusModule.forRoot({ logger: false })],
      controllers: [HealthController],
      providers: [SseHealthIndicator],
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

  interface Answer {
    readonly status: number;
    readonly events: Record<string, unknown>;
  }

  async function probe(name: 'ready' | 'alive'): Promise<Answer> {
    const response = await fetch(`${await app.getUrl()}/health/${name}`);
    const { details } = (await response.json()) as { details: { events: Answer['events'] } };
    return { status: response.status, events: details.events };
  }

  it('are up while the instance gets what is published', async () => {
    const cursor = await app.get(EventBus).publish('news', { data: 1 });
    await until('the event is there', () => app.get(EventBus).head === cursor);
    const state = { isConnected: true, isDraining: false, lagEvents: 0, lagMs: 0, connections: 0 };
    expect(await probe('ready')).toEqual({ status: 200, events: { status: 'up', ...state } });
    expect(await probe('alive')).toEqual({ status: 200, events: { status: 'up', lagMs: 0 } });
  });

  it('say that it is alive and not ready while Redis hangs, and ready when it answers again', async () => {
    redis.pause();
    await until('it is down', async () => (await probe('ready')).status === 503);
    expect((await probe('ready')).events).toMatchObject({ status: 'down', isConnected: false });
    expect((await probe('alive')).status).toBe(200);
    redis.resume();
    await until('it is up', async () => (await probe('ready')).status === 200);
  });
});
