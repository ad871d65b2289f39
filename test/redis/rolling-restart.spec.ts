import { afterAll, beforeAll, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { restartInTurn } from '../support/rolling-restart.js';
import { startInstance } from './support/instance.js';
import { RedisServer } from './support/redis-server.js';

describeWith(REDIS_SERVER, 'a rolling restart of instances that share a Redis', (path) => {
  let redis: RedisServer;

  beforeAll(async () => {
    Logger.overrideLogger(false);
    redis = await RedisServer.start(path);
  });

  afterAll(() => redis.stop());

  it.each([{ over: 400 }, { over: false }] as const)(
    'loses nothing and repeats nothing, with drain: %j',
    (drain) =>
      restartInTurn(() => startInstance({ url: redis.url, key: `log-${drain.over}` }, { drain })),
    20_000,
  );
});
