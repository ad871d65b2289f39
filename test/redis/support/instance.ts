import {
  Controller,
  type INestApplication,
  type MessageEvent,
  Module,
  Param,
  Sse,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import type { Observable } from 'rxjs';
import { EventBus, SseModule, type SseModuleOptions } from 'nestjs-event-stream';
import { redisBackplane, type RedisBackplaneOptions } from 'nestjs-event-stream/redis';

@Controller()
class TopicController {
  constructor(private readonly bus: EventBus) {}

  @Sse('topics/:topic')
  topic(@Param('topic') topic: string): Observable<MessageEvent> {
    return this.bus.stream(topic);
  }
}

@Module({})
class RootModule {}

/** One instance of an application that streams any topic at `/topics/<topic>`. */
export async function startInstance(
  backplane: RedisBackplaneOptions,
  options: SseModuleOptions = {},
): Promise<INestApplication> {
  const module = await Test.createTestingModule({
    imports: [RootModule, SseModule.forRoot({ ...options, backplane: redisBackplane(backplane) })],
    controllers: [TopicController],
  }).compile();
  const app = module.createNestApplication();
  await app.listen(0, '127.0.0.1');
  return app;
}
