import { randomUUID } from 'node:crypto';
import { Controller, HttpCode, Param, ParseUUIDPipe, Post, Sse } from '@nestjs/common';
import { type Observable, takeWhile } from 'rxjs';
import { EventBus, type SseEvent } from 'nestjs-event-stream';
import { type JobEvents, JobsService, topicOfJob } from './jobs.service.js';

@Controller('jobs')
export class JobsController {
  constructor(
    private readonly bus: EventBus<JobEvents>,
    private readonly jobs: JobsService,
  ) {}

  @Post()
  @HttpCode(202)
  async start(): Promise<{ id: string }> {
    const id = randomUUID();
    await this.jobs.start(id);
    return { id };
  }

  @Sse(':id')
  progress(@Param('id', ParseUUIDPipe) id: string): Observable<SseEvent<JobEvents>> {
    return this.bus
      .stream(topicOfJob(id), { from: 'earliest', latestPerKey: true })
      .pipe(takeWhile(({ type }) => type !== 'done', true));
  }
}
