import { randomUUID } from 'node:crypto';
import { Controller, type MessageEvent, Param, Post, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import type { Observable } from 'rxjs';
import { Jobs } from './jobs.js';

@Controller('jobs')
export class JobsController {
  constructor(
    private readonly bus: EventBus,
    private readonly jobs: Jobs,
  ) {}

  @Post()
  start(): { id: string } {
    const id = randomUUID();
    this.jobs.start(id, (percent) =>
      this.bus.publish(
        `job.${id}`,
        percent < 100
          ? { type: 'progress', key: 'progress', data: { percent } }
          : { type: 'done', data: {} },
      ),
    );
    return { id };
  }

  @Sse(':id')
  progress(@Param('id') id: string): Observable<MessageEvent> {
    return this.bus.stream(`job.${id}`, {
      from: 'start',
      latestPerKey: true,
      until: ({ type }) => type === 'done',
    });
  }
}
