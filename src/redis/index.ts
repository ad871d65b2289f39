import type { Backplane } from '../backplane/backplane.js';
import { type RedisBackplaneOptions, resolveRedisOptions } from './options.js';
import { RedisBackplane } from './redis.backplane.js';

export type { RedisBackplaneOptions } from './options.js';

/**
 * A backplane for several instances of an application: all deliver the same events in the same order, and
 * a client that reconnects to another instance goes on where it was. Needs Redis 6.2 or Valkey, and ioredis.
 *
 * @throws SseError `BAD_OPTION`
 * @example SseModule.forRoot({ backplane: redisBackplane({ url: 'redis://127.0.0.1:6379' }) })
 */
export function redisBackplane(options: RedisBackplaneOptions): Backplane {
  return new RedisBackplane(resolveRedisOptions(options));
}
