// Checked by `npm run typecheck`; nothing runs.
import type { INestApplication, MessageEvent } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { EventBus, type SseEvent } from 'nestjs-event-stream';

interface JobEvents {
  progress: { percent: number };
  done: string;
}

declare const app: INestApplication;
declare const jobs: EventBus<JobEvents>;
declare function takesBus(bus: EventBus): void;

// A bus without types is the same whether it was injected or looked up, and streams what a controller returns.
const bus = app.get(EventBus);
takesBus(bus);
export const untyped: Observable<MessageEvent> = bus.stream('news');
export const published: Promise<string> = bus.publish('news', { data: 1 });

// A bus with types checks both ends.
export const typed: Observable<MessageEvent> = jobs.stream('job.1');
export const event: Observable<SseEvent<JobEvents>> = jobs.stream('job.1', { from: 'earliest' });
void jobs.publish('job.1', { type: 'progress', data: { percent: 1 } });
jobs.stream('job.1').subscribe(({ type, data }) => {
  if (type === 'progress') data.percent.toFixed();
});
// @ts-expect-error the data is that of another type
void jobs.publish('job.1', { type: 'progress', data: 'done' });
// @ts-expect-error there is no such type
void jobs.publish('job.1', { type: 'failed', data: 'done' });
// @ts-expect-error a snapshot is the place that a new client begins at
jobs.stream('job.1', { from: 'earliest', snapshot: () => [] });
