import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, type MessageEvent, Module, Sse } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Observable } from 'rxjs';
import { EventBus, SseConnections, SseModule } from '../../src/index.js';
import { Log } from '../../src/log/log.js';

/** What the test asks of this process, and what it answers. */
export type Order = { readonly publish: number } | { readonly measure: true };
export interface Report {
  readonly port?: number;
  /** Bytes of the heap and of external memory in use, after a collection, without the log's own. */
  readonly used?: number;
  readonly behind?: number;
  readonly published?: number;
}

const DATA = 'x'.repeat(1_024);

@Controller()
class SlowController {
  constructor(private readonly bus: EventBus) {}

  @Sse('slow')
  slow(): Observable<MessageEvent> {
    return this.bus.stream('slow');
  }
}

@Module({
  imports: [SseModule.forRoot({ history: { maxEvents: 5_000 }, stallTimeout: false })],
  controllers: [SlowController],
})
class SlowModule {}

const app = await NestFactory.create(SlowModule, { logger: false });
await app.listen(0, '127.0.0.1');
const bus = app.get(EventBus);
const log = app.get(Log, { strict: false });
const connections = app.get(SseConnections);

process.on('message', (order: Order) => {
  if ('publish' in order) void publish(order.publish);
  else measure();
});
process.on('disconnect', () => process.exit());
report({ port: (app.getHttpServer() as { address(): AddressInfo }).address().port });

/** Publishes no faster than one client reads that does; a thousand that do not must not change that. */
async function paceOf(reader: string, published: number): Promise<void> {
  do await sleep(1);
  while (connections.list().some(({ id, bytes }) => id === reader && bytes < published * 1_024));
}

async function publish(count: number): Promise<void> {
  const reader = connections.list().at(-1)?.id ?? '';
  for (let published = 0; published < count; published++) {
    await bus.publish('slow', { data: DATA });
    if (published % 40 === 39) await paceOf(reader, published - 1_000);
  }
  report({ published: count });
}

function measure(): void {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  const behind = connections.list().filter(({ isBehind }) => isBehind).length;
  report({ used: heapUsed + external - log.bytes, behind });
}

function report(message: Report): void {
  process.send?.(message);
}
