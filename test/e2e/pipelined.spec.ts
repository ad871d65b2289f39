import { describe, expect, it } from '@jest/globals';
import { connect } from 'node:net';
import { Controller, type MessageEvent, Sse } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { eachAdapter, urlOf } from '../support/each-adapter.js';
import { until } from '../support/until.js';

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news(): Observable<MessageEvent> {
    return this.bus.stream('news');
  }
}

eachAdapter((bench) => {
  describe('a client that pipelines (HTTP/1.1 only)', () => {
    const get = 'GET /news HTTP/1.1\r\nHost: localhost\r\n\r\n';

    it('leaves nothing behind when it leaves, though the second response never had its turn', async () => {
      const app = await bench.start({ controllers: [Routes], sse: { drain: { timeout: 3_000 } } });
      const connections = app.get(SseConnections);
      const socket = connect(Number(new URL(urlOf(app)).port), '127.0.0.1');
      socket.on('error', () => {});
      socket.write(get + get);
      const expected = bench.isHttp2 ? 0 : 2;
      await until('both are open', () => connections.count === expected);
      socket.destroy();
      await until('none is open', () => connections.count === 0);
      expect(connections.ended).toMatchObject({ client: expected, complete: 0 });
      const started = performance.now();
      await app.close();
      expect(performance.now() - started).toBeLessThan(2_000);
    });
  });
});
