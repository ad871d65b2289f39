import {
  Body,
  Controller,
  type ExecutionContext,
  Get,
  type INestApplication,
  type MessageEvent,
  Module,
  Param,
  Post,
  ServiceUnavailableException,
  Sse,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Backplane, EventBus, SseConnections, SseModule } from 'nestjs-event-stream';
import { SsePresence, SsePresenceModule } from 'nestjs-event-stream/presence';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { type Durability, sqliteBackplane } from 'nestjs-event-stream/sqlite';
import { map, type Observable } from 'rxjs';

/** Where the log is: in Redis, or in a file. */
export type InstanceOptions = {
  readonly maxEvents: number;
  /** Topics of which is kept what has left the tail. */
  readonly kept?: readonly string[] | undefined;
  /** Milliseconds; undefined if nobody asks who is there. */
  readonly presence?: { readonly grace: number; readonly lease: number } | undefined;
} & ({ readonly url: string } | { readonly path: string; readonly durability: Durability });

interface Publication {
  readonly topics: string[];
  readonly text: string;
  readonly idempotencyKey?: string;
}

/** How many streams an owner may have. */
export const PER_OWNER = 3;
/** Milliseconds after which an instance that died is forgotten. */
export const LEASE = 900;

export interface InstanceState {
  /** Whether it hears Redis, and has read what is there. */
  readonly isHealthy: boolean;
  /** Of the streams that are open, as far as they have one. */
  readonly owners: readonly string[];
}

const identify = (context: ExecutionContext) => ({
  owner: context.switchToHttp().getRequest<{ headers: Record<string, string> }>().headers['x-user'],
});

@Controller()
class ChaosController {
  constructor(
    private readonly bus: EventBus,
    private readonly connections: SseConnections,
    private readonly backplane: Backplane,
  ) {}

  @Get('state')
  state(): InstanceState {
    const { isConnected, lagMs } = this.backplane.health;
    const owners = this.connections.list().flatMap(({ owner }) => owner ?? []);
    return { isHealthy: isConnected && lagMs === 0, owners };
  }

  @Post('close')
  async close(@Body() { owner }: { readonly owner: string }): Promise<void> {
    try {
      await this.connections.closeEverywhere({ owner });
    } catch (error) {
      throw new ServiceUnavailableException(String(error));
    }
  }

  @Sse('topics/:topics')
  topic(@Param('topics') topics: string): Observable<MessageEvent> {
    return this.bus.stream(topics.split(','));
  }

  @Sse('mapped/:topics')
  mapped(@Param('topics') topics: string): Observable<MessageEvent> {
    return this.bus.stream(topics.split(',')).pipe(map((event) => event));
  }

  @Sse('whole/:topics')
  whole(@Param('topics') topics: string): Observable<MessageEvent> {
    return this.bus.stream(topics.split(','), { from: 'start' });
  }

  @Post('publish')
  async publish(@Body() { topics, text, idempotencyKey }: Publication): Promise<object> {
    try {
      const options = idempotencyKey === undefined ? {} : { idempotencyKey };
      return { cursor: await this.bus.publish(topics, { data: text }, options) };
    } catch (error) {
      throw new ServiceUnavailableException(String(error));
    }
  }
}

@Controller()
class RoomController {
  constructor(
    private readonly bus: EventBus,
    private readonly presence: SsePresence,
  ) {}

  @Sse('rooms/:room')
  room(@Param('room') room: string): Observable<MessageEvent> {
    return this.bus.stream(`room.${room}`);
  }

  @Sse('windows/:room')
  window(@Param('room') room: string): Observable<MessageEvent> {
    return this.presence.stream(`room.${room}`);
  }
}

@Module({})
class ChaosModule {}

function backplaneOf(options: InstanceOptions): Backplane {
  if ('path' in options) {
    const { path, durability } = options;
    return sqliteBackplane({ path, durability, publishTimeout: 2_000 });
  }
  return redisBackplane({
    url: options.url,
    publishTimeout: 1_000,
    checkInterval: 300,
    waitForRedis: 10_000,
  });
}

/** An instance of the application under test, on a free port. */
export async function startInstance(options: InstanceOptions): Promise<INestApplication> {
  const { presence, maxEvents, kept = [] } = options;
  const sse = SseModule.forRoot({
    backplane: backplaneOf(options),
    history: { maxEvents, topics: kept.map((match) => ({ match })) },
    heartbeatInterval: 200,
    drain: { timeout: 500 },
    identify,
    // Who is turned away is not there.
    ...(presence === undefined && { limits: { perOwner: PER_OWNER, lease: LEASE } }),
  });
  const rooms = presence && SsePresenceModule.forRoot({ ...presence, topics: ['room.*'] });
  const module = {
    module: ChaosModule,
    imports: rooms === undefined ? [sse] : [sse, rooms],
    controllers: rooms === undefined ? [ChaosController] : [ChaosController, RoomController],
  };
  const app = await NestFactory.create(module, { logger: false, abortOnError: false });
  await app.listen(0, '127.0.0.1');
  return app;
}

const { CHAOS_INSTANCE } = process.env;
if (CHAOS_INSTANCE !== undefined) {
  const app = await startInstance(JSON.parse(CHAOS_INSTANCE) as InstanceOptions);
  process.stdin.resume().once('close', () => process.exit());
  console.log(`Listening on ${await app.getUrl()}`);
}
