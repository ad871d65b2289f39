import { Body, Controller, Delete, type MessageEvent, Param, Post, Sse } from '@nestjs/common';
import { type RunInfo, SseRuns } from 'nestjs-event-stream/runs';
import type { Observable } from 'rxjs';
import { Jobs } from './jobs.js';

@Controller('jobs')
export class JobsController {
  constructor(
    private readonly jobs: Jobs,
    private readonly runs: SseRuns,
  ) {}

  @Post()
  async add(@Body() { rows }: { rows: number }): Promise<{ id: string }> {
    return { id: await this.jobs.add(rows) };
  }

  @Sse(':id')
  progress(@Param('id') id: string): Observable<MessageEvent> {
    return this.runs.stream(id);
  }

  @Delete(':id')
  stop(@Param('id') id: string): Promise<RunInfo | undefined> {
    return this.runs.stop(id);
  }
}
