import { activeTraceparent } from 'nestjs-event-stream/metrics/instrumentation';
import { createPublisher } from 'nestjs-event-stream/publisher';
import { redisBackplane } from 'nestjs-event-stream/redis';

const backplane = redisBackplane({ url: process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379' });
export const publisher = createPublisher(backplane, { traceparent: activeTraceparent });
