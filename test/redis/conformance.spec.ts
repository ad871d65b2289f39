import { afterAll, beforeAll, it } from '@jest/globals';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { backplaneConformance } from 'nestjs-event-stream/testing';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { RedisServer } from './support/redis-server.js';

describeWith(REDIS_SERVER, 'redisBackplane()', (path) => {
  let redis: RedisServer;
  let logs = 0;

  beforeAll(async () => {
    redis = await RedisServer.start(path);
  });

  afterAll(() => redis.stop());

  const checks = backplaneConformance(() => {
    const key = `log-${++logs}`;
    return {
      instance: () =>
        redisBackplane({ url: redis.url, key, publishTimeout: 500, checkInterval: 200 }),
      async forget() {
        await redis.control.flushall();
      },
      async interrupt() {
        redis.pause();
        return async () => redis.resume();
      },
    };
  });

  for (const { name, run } of checks) it(name, run);
});
