// The test of every runner's project in `projects/`; `npm run check:package` runs it there.
import 'reflect-metadata';
import { Controller, type INestApplication, type MessageEvent, Module, Sse } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { EventBus, SseModule } from 'nestjs-event-stream';
import { connectSse } from 'nestjs-event-stream/testing';
import type { Observable } from 'rxjs';

// Jest and Vitest have these globals alike; each has types of its own.
declare function describe(title: string, body: () => void): void;
declare function it(title: string, body: () => Promise<void>): void;
declare function beforeEach(body: () => Promise<void>): void;
declare function afterEach(body: () => Promise<void>): void;
declare function expect(value: unknown): { toBe(expected: unknown): void };

@Controller()
class GreetingController {
  constructor(private readonly bus: EventBus) {}

  @Sse('greetings')
  greetings(): Observable<MessageEvent> {
    return this.bus.stream('greetings');
  }
}

@Module({ imports: [SseModule.forRoot()], controllers: [GreetingController] })
class GreetingModule {}

describe('a greeting', () => {
  let app: INestApplication;

  beforeEach(async () => {
    const module = await Test.createTestingModule({ imports: [GreetingModule] }).compile();
    app = module.createNestApplication();
    await app.listen(0);
  });

  afterEach(() => app.close());

  it('arrives', async () => {
    const client = await connectSse(app, '/greetings');
    await app.get(EventBus).publish('greetings', { data: 'Hello' });
    expect((await client.next()).data).toBe('Hello');
    client.close();
  });
});
