import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { type Job, Queue, QueueEvents, Worker } from 'bullmq';
import { SseModule } from 'nestjs-event-stream';
import { SseRuns, SseRunsModule } from 'nestjs-event-stream/runs';
import { lastValueFrom, toArray } from 'rxjs';
import { bullmqRun } from '../../examples/jobs/bullmq-run.js';
import { RedisServer } from '../redis/support/redis-server.js';
import { LogLines } from '../support/log-lines.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';

describeWith(REDIS_SERVER, 'a job of BullMQ as a run', (path) => {
  const logs = new LogLines();
  let redis: RedisServer;
  let app: INestApplication;
  let queue: Queue;
  let events: QueueEvents;
  let worker: Worker;

  beforeAll(async () => {
    redis = await RedisServer.start(path);
    const connection = { url: redis.url };
    queue = new Queue('exports', { connection });
    events = new QueueEvents('exports', { connection });
    worker = new Worker('exports', work, { connection, concurrency: 2 });
    await Promise.all([queue, events, worker].map((each) => each.waitUntilReady()));
    const imports = [SseModule.forRoot(), SseRunsModule.forRoot()];
    const module = await Test.createTestingModule({ imports }).setLogger(logs).compile();
    app = await module.createNestApplication().init();
  });

  afterAll(async () => {
    await app.close();
    await worker.close();
    await Promise.all([events.close(), queue.close()]);
    await redis.stop();
  });

  async function work(job: Job<string>): Promise<string> {
    await job.updateProgress(`${job.data} 1`);
    if (job.data === 'fails') throw new Error('out of paper');
    await job.updateProgress(`${job.data} 2`);
    return job.data;
  }

  async function follow(id: string): Promise<[string | undefined, unknown][]> {
    const runs = app.get(SseRuns);
    await runs.start(id, bullmqRun(queue, events, id));
    const told = await lastValueFrom(runs.stream(id).pipe(toArray()));
    return told.map(({ type, data }) => [type, data]);
  }

  async function add(data: string): Promise<string> {
    const { id = '' } = await queue.add('export', data);
    return id;
  }

  it('has its progress and its result, and nothing of another job', async () => {
    const [one, two] = await Promise.all([add('one'), add('two')]);
    for (const [data, told] of [
      ['one', await follow(one)],
      ['two', await follow(two)],
    ] as const) {
      expect(told.slice(-2)).toEqual([
        ['result', data],
        ['run-end', { status: 'done' }],
      ]);
      const progress = told.slice(0, -2);
      expect(progress.length).toBeGreaterThan(0);
      for (const [type, value] of progress) {
        expect(type).toBe('progress');
        expect([0, `${data} 1`, `${data} 2`]).toContain(value);
      }
    }
  });

  it('fails with its job, and where there is none, and tells clients what they may know', async () => {
    const failed = (error: string) => ['run-end', { status: 'failed', error }];
    expect((await follow(await add('fails'))).at(-1)).toEqual(failed('Internal server error'));
    expect(logs.find('error', 'out of paper')).toHaveLength(1);
    expect(await follow('7000')).toEqual([failed('There is no job 7000')]);
  });
});
