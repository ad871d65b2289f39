import {
  Body,
  Controller,
  type INestApplication,
  type MessageEvent,
  Module,
  Param,
  Post,
  ServiceUnavailableException,
  Sse,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventBus, SseModule } from 'nestjs-event-stream';
import { redisBackplane } from 'nestjs-event-stream/redis';
import type { Observable } from 'rxjs';

export interface InstanceOptions {
  readonly url: string;
  readonly maxEvents: number;
}

interface Publication {
  readonly topics: string[];
  readonly text: string;
  readonly idempotencyKey?: string;
}

@Controller()
class ChaosController {
  constructor(private readonly bus: EventBus) {}

  @Sse('topics/:topic')
  topic(@Param('topic') topic: string): Observable<MessageEvent> {
    return this.bus.stream(topic);
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

@Module({})
class ChaosModule {}

/** An instance of the application under test, on a free port. */
export async function startInstance({
  url,
  maxEvents,
}: InstanceOptions): Promise<INestApplication> {
  const backplane = redisBackplane({
    url,
    publishTimeout: 1_000,
    checkInterval: 300,
    waitForRedis: 10_000,
  });
  const module = {
    module: ChaosModule,
    imports: [
      SseModule.forRoot({
        backplane,
        history: { maxEvents },
        heartbeatInterval: 200,
        drain: { timeout: 500 },
      }),
    ],
    controllers: [ChaosController],
  };
  const app = await NestFactory.create(module, { logger: false, abortOnError: false });
  await app.listen(0, '127.0.0.1');
  return app;
}

const { CHAOS_INSTANCE } = process.env;
if (CHAOS_INSTANCE !== undefined) {
  const app = await startInstance(JSON.parse(CHAOS_INSTANCE) as InstanceOptions);
  console.log(`Listening on ${await app.getUrl()}`);
}
