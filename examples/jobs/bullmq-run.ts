import { once } from 'node:events';
import { NotFoundException } from '@nestjs/common';
import type { Queue, QueueEvents } from 'bullmq';
import type { RunFactory } from 'nestjs-event-stream/runs';

/** Progress and result of a job, as the source of a run. */
export function bullmqRun(queue: Queue, events: QueueEvents, jobId: string): RunFactory {
  return async ({ emit, signal }) => {
    const tell = (progress: { jobId: string; data: unknown }) => {
      if (progress.jobId === jobId) void emit({ type: 'progress', data: progress.data });
    };
    events.on('progress', tell);
    try {
      const job = await queue.getJob(jobId);
      if (job === undefined) throw new NotFoundException(`There is no job ${jobId}`);
      void emit({ type: 'progress', data: job.progress });
      const stopped = once(signal, 'abort').then(() => signal.throwIfAborted());
      const result: unknown = await Promise.race([job.waitUntilFinished(events), stopped]);
      await emit({ type: 'result', data: result ?? null });
    } finally {
      events.off('progress', tell);
    }
  };
}
