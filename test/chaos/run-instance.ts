import {
  Body,
  Controller,
  Delete,
  Get,
  type MessageEvent,
  Module,
  Param,
  Post,
  ServiceUnavailableException,
  Sse,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type Backplane, SseModule } from 'nestjs-event-stream';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { type RunInfo, SseRuns, SseRunsModule } from 'nestjs-event-stream/runs';
import { sqliteBackplane } from 'nestjs-event-stream/sqlite';
import type { Observable } from 'rxjs';

/** Where the log is, how long a lease is, in milliseconds, and how many events of it are in memory. */
export type RunInstanceOptions = {
  readonly lease: number;
  readonly maxEvents?: number | undefined;
} & ({ readonly url: string } | { readonly path: string });

/** What a run emits: so many tokens, with so many milliseconds between two. */
export interface RunOrder {
  readonly tokens: number;
  readonly interval: number;
}

/** What became of what this instance has emitted. */
export interface Emitted {
  /** Those that it was told are in the log, in their order. */
  readonly acknowledged: string[];
  /** The code of the first refusal. */
  refusal?: string;
  isAborted?: boolean;
}

@Controller()
class RunController {
  readonly #emitted = new Map<string, Emitted>();
  readonly #ended: string[] = [];

  constructor(private readonly runs: SseRuns) {
    runs.events$.subscribe(({ type, isOwn, run }) => {
      if (type === 'ended' && isOwn) this.#ended.push(run.id);
    });
  }

  @Post('runs/:id')
  async start(@Param('id') id: string, @Body() order: RunOrder): Promise<object> {
    const emitted: Emitted = { acknowledged: [] };
    const start = this.runs.start(id, async ({ signal, emit }) => {
      this.#emitted.set(id, emitted);
      signal.addEventListener('abort', () => (emitted.isAborted = true));
      const sent: Promise<void>[] = [];
      for (let n = 0; n < order.tokens && !signal.aborted; n++) {
        const token = `${process.pid}:${n}`;
        const outcome = emit(token).then(
          () => void emitted.acknowledged.push(token),
          (error: unknown) => void (emitted.refusal ??= (error as { code: string }).code),
        );
        sent.push(outcome);
        if (order.interval > 0 || n % 16 === 0) {
          await new Promise((resolve) => setTimeout(resolve, order.interval));
        }
      }
      await Promise.all(sent);
    });
    try {
      return await start;
    } catch (error) {
      throw new ServiceUnavailableException(String(error));
    }
  }

  @Sse('runs/:id')
  read(@Param('id') id: string): Observable<MessageEvent> {
    return this.runs.stream(id);
  }

  @Delete('runs/:id')
  async stop(@Param('id') id: string): Promise<RunInfo | undefined> {
    try {
      return await this.runs.stop(id);
    } catch (error) {
      throw new ServiceUnavailableException(String(error));
    }
  }

  @Get('emitted/:id')
  emitted(@Param('id') id: string): Emitted | object {
    return this.#emitted.get(id) ?? {};
  }

  /** The runs whose end is this instance's word. */
  @Get('ended')
  ended(): readonly string[] {
    return this.#ended;
  }
}

@Module({})
class RunInstanceModule {}

function backplaneOf(options: RunInstanceOptions): Backplane {
  if ('path' in options) return sqliteBackplane({ path: options.path, publishTimeout: 2_000 });
  return redisBackplane({
    url: options.url,
    publishTimeout: 1_000,
    checkInterval: 200,
    waitForRedis: 10_000,
  });
}

const options = JSON.parse(process.env['RUN_INSTANCE'] ?? '{}') as RunInstanceOptions;
const app = await NestFactory.create(
  {
    module: RunInstanceModule,
    imports: [
      SseModule.forRoot({
        backplane: backplaneOf(options),
        history: { maxEvents: options.maxEvents },
        heartbeatInterval: 200,
        drain: { timeout: 500 },
      }),
      SseRunsModule.forRoot({ lease: options.lease }),
    ],
    controllers: [RunController],
  },
  { logger: false, abortOnError: false },
);
await app.listen(0, '127.0.0.1');
process.stdin.resume().once('close', () => process.exit());
console.log(`Listening on ${await app.getUrl()}`);
