import { createPublisher } from 'nestjs-event-stream/publisher';
import { redisBackplane } from 'nestjs-event-stream/redis';

interface Events {
  headline: { text: string };
}

const url = process.env['REDIS_URL'] ?? 'redis://localhost:6379';
const publisher = createPublisher<Events>(redisBackplane({ url }));
await publisher.publish(
  'news',
  { type: 'headline', data: { text: 'From a worker' } },
  { idempotencyKey: 'headline-7' },
);
await publisher.close();
