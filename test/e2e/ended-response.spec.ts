import { expect, it } from '@jest/globals';
import { connect } from 'node:net';
import { Controller, type INestApplication, type MessageEvent, Res, Sse } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { onExpress, urlOf } from '../support/each-adapter.js';
import { until } from '../support/until.js';

type Write = (...parts: unknown[]) => unknown;
let opened: { end(): void };

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(@Res({ passthrough: true }) response: { end(): void }): Observable<MessageEvent> {
    opened = response;
    return this.bus.stream('news');
  }
}

/** What tracing does, for instance: our bytes go through the response then, not past it. */
function wrapWrite(_: unknown, response: { write: Write }, next: () => void): void {
  const { write } = response;
  response.write = function (...parts) {
    return write.apply(this, parts);
  };
  next();
}

const bench = onExpress();

it.each([false, true])(
  'writes nothing after the end of a response that the application ends itself (res.write wrapped: %s)',
  async (isWrapped) => {
    const app = await bench.start({
      controllers: [Routes],
      sse: { highWaterMark: 2 ** 30 },
      configure: (app: INestApplication) => isWrapped && app.use(wrapWrite),
    });
    const [bus, connections] = [app.get(EventBus), app.get(SseConnections)];
    const socket = connect(Number(new URL(urlOf(app)).port), '127.0.0.1');
    let text = '';
    socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
    socket.write('GET /news HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await until('it is open', () => text.includes('id: '));
    socket.pause();
    const total = 12;
    for (let n = 0; n < total; n++) await bus.publish('news', { data: 'x'.repeat(1_000_000) });
    await until('it is written', () => (connections.list()[0]?.bytes ?? 0) > total * 1_000_000);
    opened.end();
    await bus.publish('news', { data: 'too late' });
    await until('it has ended', () => connections.count === 0);
    socket.resume();
    await until('the end arrives', () => text.includes('\r\n0\r\n\r\n'));
    socket.destroy();
    expect(text.endsWith('\r\n0\r\n\r\n')).toBe(true);
    expect(text).not.toContain('too late');
    expect(connections.ended).toMatchObject({ complete: 1, client: 0 });
  },
);
