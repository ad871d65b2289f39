import type { Server } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Header,
  Headers,
  type INestApplication,
  type MessageEvent,
  Sse,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { EventBus, SseConnections, SseModule } from 'nestjs-event-stream';
import type { Observable } from 'rxjs';
import { EventSource } from 'undici';
import { CHROMIUM, describeWith } from '../support/programs.js';
import { until } from '../support/until.js';
import { launch, portOf, visit } from './browser.js';

/** `Last-Event-ID` of each request. */
const requested: (string | undefined)[] = [];

@Controller()
class MineController {
  constructor(private readonly bus: EventBus) {}

  @Get()
  @Header('content-type', 'text/html')
  page(): string {
    return '<!doctype html><link rel="icon" href="data:,"><title>heartbeats</title>';
  }

  @Sse('mine')
  mine(@Headers('last-event-id') lastEventId?: string): Observable<MessageEvent> {
    requested.push(lastEventId);
    return this.bus.stream('mine');
  }
}

let app: INestApplication;

beforeEach(async () => {
  requested.length = 0;
  const module = await Test.createTestingModule({
    imports: [SseModule.forRoot({ heartbeatInterval: 50, retry: { min: 10, max: 20 } })],
    controllers: [MineController],
  }).compile();
  app = module.createNestApplication();
  await app.listen(0);
});

afterEach(async () => {
  await app.close();
  (app.getHttpServer() as Server).closeAllConnections();
});

/**
 * Gives a client an event of its own and one that is not for it, so that only a heartbeat can tell it the
 * place of the second, and drops its connection.
 */
async function reconnectAfterHeartbeat(hasReceived: (count: number) => boolean | Promise<boolean>) {
  const bus = app.get(EventBus);
  const connections = app.get(SseConnections);
  await until('the client is connected', () => connections.list()[0]?.topics.length === 1);
  await bus.publish('mine', { data: 'first' });
  await until('the client has its event', () => hasReceived(1));
  const sent = connections.list()[0]?.bytes ?? 0;
  const head = await bus.publish('other', { data: 'not for this client' });
  await until('the heartbeat is out', () => (connections.list()[0]?.bytes ?? 0) > sent);
  connections.close();
  await until('the client is back', () => requested.length === 2 && connections.count === 1);
  expect(requested).toEqual([undefined, head]);
  await bus.publish('mine', { data: 'second' });
  await until('the client has the next event', () => hasReceived(2));
}

describe('a heartbeat to the EventSource of undici', () => {
  it('advances lastEventId without dispatching anything, and the reconnect carries it', async () => {
    const eventSource = new EventSource(`http://localhost:${portOf(app)}/mine`);
    const messages: string[] = [];
    eventSource.addEventListener('message', ({ data }) => messages.push(String(data)));
    await reconnectAfterHeartbeat((count) => messages.length === count);
    eventSource.close();
    expect(messages).toEqual(['first', 'second']);
  });
});

describeWith(CHROMIUM, 'a heartbeat to Chromium', (path) => {
  it('advances lastEventId without dispatching anything, and the reconnect carries it', async () => {
    const browser = await launch(path);
    try {
      const { page, logged, problems } = await visit(browser, `http://localhost:${portOf(app)}`);
      await page.evaluate(`
        const eventSource = new EventSource('/mine');
        eventSource.addEventListener('message', ({ data }) => console.log(data));
      `);
      await reconnectAfterHeartbeat((count) => logged.length === count);
      expect(logged).toEqual(['first', 'second']);
      expect(problems).toEqual([]);
    } finally {
      await browser.close();
    }
  }, 60_000);
});
