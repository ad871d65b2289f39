// An application that uses every entry of the package; `npm run check:package` compiles it against the
// packed package, as ESM and as CommonJS, and runs it.
import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Controller, type MessageEvent, Module, Sse } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type Backplane, EventBus, SseConnections, SseModule } from 'nestjs-event-stream';
import { createPublisher, type EventPublisher } from 'nestjs-event-stream/publisher';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { sqliteBackplane } from 'nestjs-event-stream/sqlite';
import { connectSse } from 'nestjs-event-stream/testing';
import type { Observable } from 'rxjs';

interface Events {
  greeting: { text: string };
}

@Controller()
class GreetingController {
  constructor(private readonly bus: EventBus<Events>) {}

  @Sse('greetings')
  greetings(): Observable<MessageEvent> {
    return this.bus.stream('greetings', { where: ({ data }) => data.text !== '' });
  }
}

const folder = mkdtempSync(join(tmpdir(), 'application-'));

@Module({
  imports: [SseModule.forRoot({ backplane: sqliteBackplane({ path: join(folder, 'events.db') }) })],
  controllers: [GreetingController],
})
class ApplicationModule {}

export function distributed(url: string): Backplane {
  return redisBackplane({ url });
}

export function outside(url: string): EventPublisher<Events> {
  return createPublisher<Events>(redisBackplane({ url }));
}

async function main(): Promise<void> {
  const app = await NestFactory.create(ApplicationModule, { logger: ['error'] });
  const client = await connectSse<Events>(app, '/greetings');
  await app.get<EventBus<Events>>(EventBus).publish('greetings', {
    type: 'greeting',
    data: { text: 'Hello' },
  });
  const { text } = (await client.next('greeting')).json();
  const { count } = app.get(SseConnections);
  await app.close();
  rmSync(folder, { recursive: true });
  if (text !== 'Hello' || count !== 1) throw new Error(`received ${text}, ${count} connections`);
}

void main();
