import { readFileSync } from 'node:fs';
import { join } from 'node:path';
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
    const [, , name = '', ...rules] = documentedUser().split(' ');
    await redis.control.acl(
      'SETUSER',
      name,
      ...rules.map((rule) => rule.replace(/^~.*/, '~{*}:*')),
    );
  });

  afterAll(() => redis.stop());

  const checks = backplaneConformance(() => {
    const key = `log-${++logs}`;
    return {
      instance: () =>
        redisBackplane({
          url: redis.url.replace('//', '//events:secret@'),
          ...{ key, publishTimeout: 2_000, checkInterval: 200 },
        }),
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

/** What scaling.md says that a user of Redis needs: no check passes that needs more. */
function documentedUser(): string {
  const page = readFileSync(join(import.meta.dirname, '../../docs/scaling.md'), 'utf8');
  const [command] = /^ACL SETUSER events .*$/m.exec(page) ?? [];
  if (command === undefined) throw new Error('docs/scaling.md has no user');
  return command;
}
