import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  type INestApplication,
  type MessageEvent,
  NotFoundException,
  Sse,
} from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import type { Observable } from 'rxjs';
import { EventBus, SseModule } from 'nestjs-event-stream';
import { connectSse } from 'nestjs-event-stream/testing';

@Controller()
class NewsController {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }

  @Sse('rejects')
  async rejects(): Promise<Observable<MessageEvent>> {
    await new Promise((resolve) => setTimeout(resolve, 80));
    throw new NotFoundException();
  }
}

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('on %s', (_, adapter) => {
  let app: INestApplication;

  afterEach(() => app.close());

  async function start(): Promise<EventBus> {
    const module = await Test.createTestingModule({
      imports: [SseModule.forRoot()],
      controllers: [NewsController],
    }).compile();
    app = module.createNestApplication(adapter());
    await app.listen(0, '127.0.0.1');
    return app.get(EventBus);
  }

  it('delivers what is published, and resumes after the last event received', async () => {
    const bus = await start();
    const client = await connectSse(app, '/news');
    const first = await bus.publish('news', { type: 'headline', data: { n: 1 } });
    const event = await client.next('headline');
    expect(event.json()).toEqual({ n: 1 });
    expect(event.lastEventId).toBe(first);
    client.close();
    await bus.publish('news', { data: 'two\nlines' });
    const again = await connectSse(app, '/news', { lastEventId: first });
    expect((await again.next()).data).toBe('two\nlines');
    again.close();
  });

  it('answers a handler that rejects after 80 ms with its real status', async () => {
    await start();
    expect((await connectSse(app, '/rejects')).status).toBe(404);
  });
});
