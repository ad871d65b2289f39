import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { EMPTY, map, mergeMap, type Observable, type Subscription, take, timer } from 'rxjs';
import { EventBus } from 'nestjs-event-stream';

const JOBS = 'jobs';
const STEPS = 24;
/** Milliseconds that a step takes: long enough for a reload in the middle. */
const STEP = 400;

export interface JobEvents {
  start: { readonly id: string };
  progress: { readonly step: number; readonly steps: number };
  done: object;
}

export function topicOfJob(id: string): string {
  return `job.${id}`;
}

/**
 * Works on the jobs. The bus tells every instance of a job, and every one of them takes all of its steps:
 * what the steps publish is keyed, so each is one event, and a job outlives the instance that it began on.
 */
@Injectable()
export class JobsService implements OnModuleInit, OnModuleDestroy {
  #steps: Subscription | undefined;

  constructor(private readonly bus: EventBus<JobEvents>) {}

  onModuleInit(): void {
    this.#steps = this.bus
      .stream(JOBS)
      .pipe(mergeMap((event) => (event.type === 'start' ? stepsOf(event.data.id) : EMPTY)))
      .subscribe(({ id, step }) => this.#publish(id, step));
  }

  onModuleDestroy(): void {
    this.#steps?.unsubscribe();
  }

  async start(id: string): Promise<void> {
    await this.bus.publish(JOBS, { type: 'start', data: { id } });
  }

  #publish(id: string, step: number): void {
    const topic = topicOfJob(id);
    const progress = { type: 'progress', key: 'progress', data: { step, steps: STEPS } } as const;
    void this.bus.publish(topic, progress, { idempotencyKey: `${topic} ${step}` });
    if (step < STEPS) return;
    void this.bus.publish(topic, { type: 'done', data: {} }, { idempotencyKey: `${topic} done` });
  }
}

function stepsOf(id: string): Observable<{ id: string; step: number }> {
  return timer(STEP, STEP).pipe(
    take(STEPS),
    map((index) => ({ id, step: index + 1 })),
  );
}
