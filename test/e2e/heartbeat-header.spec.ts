import { expect, it } from '@jest/globals';
import { Controller, NotFoundException, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import { eachAdapter } from '../support/each-adapter.js';

@Controller()
class Streams {
  constructor(private readonly bus: EventBus) {}

  @Sse('news')
  news() {
    return this.bus.stream('news');
  }

  @Sse('missing')
  async missing(): Promise<never> {
    throw new NotFoundException();
  }
}

eachAdapter((bench) => {
  it('says after which silence a heartbeat comes', async () => {
    const app = await bench.start({ controllers: [Streams], sse: { heartbeatInterval: 7_000 } });
    const { headers } = await bench.connect(app, '/news');
    expect(headers['sse-heartbeat-interval']).toBe('7000');
  });

  it('says that no heartbeats come', async () => {
    const app = await bench.start({ controllers: [Streams], sse: { heartbeatInterval: false } });
    const { headers } = await bench.connect(app, '/news');
    expect(headers['sse-heartbeat-interval']).toBe('0');
  });

  it('says it of streams only', async () => {
    const app = await bench.start({ controllers: [Streams] });
    const { status, headers } = await bench.connect(app, '/missing');
    expect(status).toBe(404);
    expect(headers['sse-heartbeat-interval']).toBeUndefined();
  });
});
