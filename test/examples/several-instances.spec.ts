import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { connectSse } from 'nestjs-event-stream/testing';
import { RedisServer } from '../redis/support/redis-server.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { type Example, startExample } from './start-example.js';

describeWith(REDIS_SERVER, 'the example several-instances', (path) => {
  let redis: RedisServer;
  let one: Example;
  let other: INestApplication;

  beforeAll(async () => {
    redis = await RedisServer.start(path);
    process.env['REDIS_URL'] = redis.url;
    one = await startExample('several-instances');
    const { AppModule } = await import('../../examples/several-instances/app.module.js');
    other = await NestFactory.create(AppModule);
  });

  afterAll(async () => {
    await Promise.all([one.app.close(), other.close()]);
    await redis.stop();
  });

  it('resumes a client on another instance than the one that it left', async () => {
    const first = await connectSse(one.url, '/news');
    await one.post('/news', { text: 'Hello' });
    const { lastEventId } = await first.next('headline');
    first.close();
    await one.post('/news', { text: 'again' });
    const second = await connectSse(other, '/news', { lastEventId });
    expect((await second.next('headline')).json()).toEqual({ text: 'again' });
    second.close();
  });

  it('delivers what a worker publishes', async () => {
    const client = await connectSse(other, '/news');
    await import('../../examples/several-instances/worker.js');
    expect((await client.next('headline')).json()).toEqual({ text: 'From a worker' });
    client.close();
  });

  it('is ready', async () => {
    const response = await fetch(`${one.url}/health/ready`);
    expect(await response.json()).toMatchObject({
      status: 'ok',
      info: { events: { lagEvents: 0 } },
    });
  });
});
