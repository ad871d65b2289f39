import { setTimeout } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { type Job, Queue, QueueEvents, UnrecoverableError, Worker } from 'bullmq';
import { SseRuns } from 'nestjs-event-stream/runs';
import { filter } from 'rxjs';
import { bullmqRun } from './bullmq-run.js';
import { redis } from './redis.js';

/** Jobs of a BullMQ queue, each followed by a run of the same id. */
@Injectable()
export class Jobs implements OnApplicationShutdown {
  readonly #logger = new Logger(Jobs.name);
  readonly #queue = new Queue('exports', { connection: redis });
  readonly #events = new QueueEvents('exports', { connection: redis });
  // A job of a worker that is gone is soon taken by another.
  readonly #worker = new Worker<{ rows: number }>('exports', (job) => this.#export(job), {
    ...{ connection: redis, lockDuration: 2_000, stalledInterval: 1_000, maxStalledCount: 5 },
  });

  constructor(private readonly runs: SseRuns) {
    // Of all instances one has found out that who followed a job is gone: it follows the job from now on.
    runs.events$
      .pipe(filter(({ type, run, isOwn }) => type === 'ended' && isOwn && run.status === 'lost'))
      .subscribe(({ run }) => {
        this.#follow(run.id).catch((error: unknown) =>
          this.#logger.error('A job is not followed', error),
        );
      });
    this.#worker.on('error', (error) => this.#logger.error('The worker failed', error));
  }

  async add(rows: number): Promise<string> {
    const { id = '' } = await this.#queue.add('export', { rows });
    await this.#follow(id);
    return id;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#worker.close();
    await Promise.all([this.#events.close(), this.#queue.close()]);
  }

  async #follow(id: string): Promise<void> {
    const source = bullmqRun(this.#queue, this.#events, id);
    await this.runs.start(id, source, { onExisting: 'replace' });
  }

  /** Goes on where a worker before it was. */
  async #export(job: Job<{ rows: number }>): Promise<{ rows: number }> {
    const { id = '', data, progress } = job;
    for (let row = Number(progress) || 0; row < data.rows; row++) {
      // The log tells every instance that a run was stopped: also the one that works on its job.
      if (this.runs.get(id)?.status === 'stopped') throw new UnrecoverableError('stopped');
      await setTimeout(50);
      await job.updateProgress(row + 1);
    }
    return { rows: data.rows };
  }
}
