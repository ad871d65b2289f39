import { afterAll, afterEach, beforeAll, describe } from '@jest/globals';
import {
  Controller,
  Delete,
  type INestApplication,
  type MessageEvent,
  Param,
  Sse,
  type Type,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import type { Backplane, SseModuleOptions } from 'nestjs-event-stream';
import { EventBus, SseModule } from 'nestjs-event-stream';
import { redisBackplane } from 'nestjs-event-stream/redis';
import {
  type ReplayedEvent,
  type RunChange,
  SseRuns,
  SseRunsModule,
  type SseRunsOptions,
} from 'nestjs-event-stream/runs';
import { sqliteBackplane } from 'nestjs-event-stream/sqlite';
import {
  connectSse,
  type ConnectSseOptions,
  type ReceivedEvent,
  type SseTestClient,
} from 'nestjs-event-stream/testing';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { map, merge, NEVER, type Observable, startWith } from 'rxjs';
import { RedisServer } from '../redis/support/redis-server.js';
import { LogLines } from '../support/log-lines.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';

/** Joins texts; what has a type stays as it is, and 'odd' is what a `merge` must not give. */
export function joinTexts(a: ReplayedEvent, b: ReplayedEvent): ReplayedEvent | undefined {
  if (a.type !== undefined || b.type !== undefined) return undefined;
  if (b.data === 'throws') throw new Error('merge threw');
  if (b.data === 'odd') return 7 as never;
  if (b.data === 'promise') return Promise.reject(new Error('late')) as never;
  if (typeof a.data === 'bigint' || b.data === 'unwritten') return { data: 1n };
  return { data: `${String(a.data)}${String(b.data)}` };
}

@Controller()
class RunsController {
  readonly changes: RunChange[] = [];

  constructor(
    private readonly runs: SseRuns,
    private readonly bus: EventBus,
  ) {
    runs.events$.subscribe((change) => this.changes.push(change));
  }

  @Sse('runs/:id')
  join(@Param('id') id: string): Observable<MessageEvent> {
    return this.runs.stream(id);
  }

  @Sse('merged/:id')
  merged(@Param('id') id: string): Observable<MessageEvent> {
    return this.runs.stream(id, { merge: joinTexts });
  }

  @Sse('merged-with-news/:id')
  mergedWithNews(@Param('id') id: string): Observable<MessageEvent> {
    return merge(
      this.bus.stream('news', { from: 'start' }),
      this.runs.stream(id, { merge: joinTexts }),
    );
  }

  @Sse('awaited/:id')
  awaited(@Param('id') id: string): Observable<MessageEvent> {
    return this.runs.stream(id, { unknown: 'wait' });
  }

  @Sse('awaited-with-news/:id')
  awaitedWithNews(@Param('id') id: string): Observable<MessageEvent> {
    return merge(this.bus.stream('news'), this.runs.stream(id, { unknown: 'wait' }));
  }

  @Sse('several/:ids')
  several(@Param('ids') ids: string): Observable<MessageEvent> {
    return merge(...ids.split(',').map((id) => this.runs.stream(id)));
  }

  @Sse('with-news/:id')
  withNews(@Param('id') id: string): Observable<MessageEvent> {
    return merge(this.bus.stream('news'), this.runs.stream(id));
  }

  /** Starts a run of what is published to `progress`, and is no reader of it. */
  @Sse('asked/:id')
  async ask(@Param('id') id: string): Promise<Observable<MessageEvent>> {
    await this.runs.start(id, () => this.bus.stream('progress').pipe(map(({ data }) => data)));
    return NEVER.pipe(startWith({ data: 'started' }));
  }

  @Delete('runs/:id')
  stop(@Param('id') id: string): Promise<object | undefined> {
    return this.runs.stop(id);
  }
}

export interface Instance {
  readonly app: INestApplication;
  readonly runs: SseRuns;
  readonly bus: EventBus;
  readonly logs: LogLines;
  /** What it has told of since it was made. */
  readonly changes: readonly RunChange[];
}

interface Setup {
  readonly runs?: SseRunsOptions | undefined;
  readonly sse?: SseModuleOptions | undefined;
  readonly controllers?: readonly Type[] | undefined;
}

/** Applications that share a log, as far as their backplane can, and clients of theirs. */
export class RunsBench {
  readonly #clients: SseTestClient[] = [];
  #instances: Instance[] = [];
  #number = 0;

  constructor(
    /** Whether two instances can share a log. */
    readonly isShared: boolean,
    readonly backplane: (log: number) => Backplane | undefined,
  ) {}

  async start({ runs, sse, controllers = [] }: Setup = {}): Promise<Instance> {
    const logs = new LogLines();
    const builder = Test.createTestingModule({
      imports: [
        SseModule.forRoot({
          history: { maxEvents: 1_000 },
          ...sse,
          backplane: this.backplane(this.#number),
        }),
        SseRunsModule.forRoot(runs),
      ],
      controllers: [RunsController, ...controllers],
    });
    const module = await builder.setLogger(logs).compile();
    const app = module.createNestApplication();
    await app.listen(0, '127.0.0.1');
    const { changes } = app.get(RunsController);
    const instance = { app, runs: app.get(SseRuns), bus: app.get(EventBus), logs, changes };
    this.#instances.push(instance);
    return instance;
  }

  /** Two that share a log; the same one twice, where that is not possible. */
  async startTwo(setup: Setup = {}): Promise<readonly [Instance, Instance]> {
    const one = await this.start(setup);
    return [one, this.isShared ? await this.start(setup) : one];
  }

  connect(instance: Instance, path: string, lastEventId?: string): Promise<SseTestClient> {
    return this.request(instance, path, { lastEventId });
  }

  async request(
    { app }: Instance,
    path: string,
    options: ConnectSseOptions,
  ): Promise<SseTestClient> {
    const client = await connectSse(app, path, options);
    this.#clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    this.#number++;
    for (const client of this.#clients.splice(0)) client.close();
    const instances = this.#instances;
    this.#instances = [];
    await Promise.all(instances.map(({ app }) => app.close()));
  }
}

/** What a client was sent: data, and types where there are any. */
export function told(events: readonly ReceivedEvent[]): string[] {
  return events.map(({ type, data }) => (type === 'message' ? data : `${type} ${data}`));
}

/** All that a client is sent, to the end of the response. */
export async function all(client: SseTestClient): Promise<string[]> {
  const events: ReceivedEvent[] = [];
  for await (const event of client) events.push(event);
  return told(events);
}

/** Runs a suite in memory, on SQLite, and on a real Redis. */
export function eachBackplane(suite: (bench: RunsBench) => void): void {
  describe('in memory', () => {
    const bench = new RunsBench(false, () => undefined);
    afterEach(() => bench.stop());
    suite(bench);
  });
  eachSharedBackplane(suite);
}

/** Runs a suite on what two instances can share. */
export function eachSharedBackplane(suite: (bench: RunsBench) => void): void {
  describe('on SQLite', () => {
    const folder = mkdtempSync(join(tmpdir(), 'nes-runs-'));
    const bench = new RunsBench(true, (log) =>
      sqliteBackplane({ path: join(folder, `${log}.db`) }),
    );
    afterEach(() => bench.stop());
    afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    suite(bench);
  });

  describeWith(REDIS_SERVER, 'on Redis', (path) => {
    let redis: RedisServer;
    const bench = new RunsBench(true, (log) =>
      redisBackplane({ url: redis.url, key: `runs-${log}`, checkInterval: 100 }),
    );
    beforeAll(async () => {
      redis = await RedisServer.start(path);
    });
    afterEach(() => bench.stop());
    afterAll(() => redis.stop());
    suite(bench);
  });
}

/** Yields a text in each turn of the event loop. */
export async function* texts(...values: readonly string[]): AsyncGenerator<string> {
  for (const value of values) {
    yield value;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A promise, and what resolves it. */
export function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}

export function waitForAbort(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
}
