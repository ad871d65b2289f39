import { createPublisher } from 'nestjs-event-stream/publisher';
import { sqliteBackplane } from 'nestjs-event-stream/sqlite';

interface Events {
  headline: { text: string };
}

const path = process.env['SSE_FILE'] ?? 'events.db';
const publisher = createPublisher<Events>(sqliteBackplane({ path }));
await publisher.publish(
  'news',
  { type: 'headline', data: { text: 'From a cron job' } },
  { idempotencyKey: `nightly ${new Date().toDateString()}` },
);
await publisher.close();
