import { expect, it } from '@jest/globals';
import {
  Controller,
  type INestApplication,
  type MessageEvent,
  Param,
  Sse,
  VersioningType,
} from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { Observable } from 'rxjs';
import { EventBus, SseConnections } from 'nestjs-event-stream';
import { Bench, eachAdapter } from '../support/each-adapter.js';

@Controller({ path: 'jobs', version: '1' })
class Jobs {
  constructor(private readonly bus: EventBus) {}

  @Sse(':id')
  job(@Param('id') id: string): Observable<MessageEvent> {
    return this.bus.stream(`job.${id}`);
  }
}

function configure(app: INestApplication): void {
  app.setGlobalPrefix('api');
  app.enableVersioning({ type: VersioningType.URI });
}

eachAdapter((bench) => {
  it('tells of a connection which route it matched and what was requested', async () => {
    const app = await bench.start({ controllers: [Jobs], configure });
    await bench.connect(app, '/api/v1/jobs/7?token=secret');
    expect(app.get(SseConnections).list()[0]).toMatchObject({
      route: 'GET /api/v1/jobs/:id',
      path: '/api/v1/jobs/7',
      remoteAddress: '127.0.0.1',
    });
  });
});

const TRUSTING = {
  Express: () => {
    const adapter = new ExpressAdapter();
    adapter.set('trust proxy', 1);
    return adapter;
  },
  Fastify: () => new FastifyAdapter({ trustProxy: true }),
  'Fastify over HTTP/2': () => new FastifyAdapter({ trustProxy: true, http2: true }),
};

it.each(Object.entries(TRUSTING))(
  'tells the address of the client behind a proxy that is trusted: %s',
  async (name, adapter) => {
    const bench = new Bench(adapter, name.endsWith('HTTP/2'));
    const app = await bench.start({ controllers: [Jobs], configure });
    const headers = { 'x-forwarded-for': '203.0.113.9' };
    await bench.connect(app, '/api/v1/jobs/7', { headers });
    expect(app.get(SseConnections).list()[0]?.remoteAddress).toBe('203.0.113.9');
    await bench.stop();
  },
);

eachAdapter((bench) => {
  it('believes nobody by default', async () => {
    const app = await bench.start({ controllers: [Jobs], configure });
    const headers = { 'x-forwarded-for': '203.0.113.9' };
    await bench.connect(app, '/api/v1/jobs/7', { headers });
    expect(app.get(SseConnections).list()[0]?.remoteAddress).toBe('127.0.0.1');
  });
});
