import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, type MessageEvent, Query, Sse } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { EventBus, matching, SseConnections, SseModule } from 'nestjs-event-stream';
import { createPublisher } from 'nestjs-event-stream/publisher';
import { sqliteBackplane } from 'nestjs-event-stream/sqlite';
import { MemoryBackplane } from '../../src/backplane/memory.backplane.js';
import { onExpress } from '../support/each-adapter.js';
import { temporaryPaths } from '../sqlite/support/folder.js';
import { Instance } from '../reader/recording-connection.js';

@Controller()
class Routes {
  constructor(private readonly bus: EventBus) {}

  @Sse('matched')
  matched(@Query('pattern') pattern: string): Observable<MessageEvent> {
    return this.bus.stream(matching(pattern));
  }

  @Sse('named')
  named(@Query('topics') topics: string): Observable<MessageEvent> {
    return this.bus.stream(topics.split(','));
  }
}

describe("topics that begin with '$'", () => {
  const bench = onExpress();
  const newPath = temporaryPaths();
  let instance: Instance | undefined;

  afterEach(() => instance?.log.close());

  it.each(['$', '$connections', '$a.b'])(
    'cannot be published to or streamed: %s',
    async (topic) => {
      const bus = (await bench.start(Routes)).get(EventBus);
      const refusal = { code: 'BAD_TOPIC', message: expect.stringContaining("begin with '$'") };
      await expect(bus.publish(topic, { data: 1 })).rejects.toMatchObject(refusal);
      await expect(bus.publish(['news', topic], { data: 1 })).rejects.toMatchObject(refusal);
      expect(() => bus.stream(['news', topic])).toThrow(expect.objectContaining(refusal));
    },
  );

  it.each(['$', '$connections', '$a.*', '$.**'])('cannot be matched by name: %s', (pattern) => {
    const refusal = { code: 'BAD_TOPIC', message: expect.stringContaining("begin with '$'") };
    expect(() => matching(pattern)).toThrow(expect.objectContaining(refusal));
  });

  it('cannot be named by a rule of retention', async () => {
    const module = SseModule.forRoot({ history: { topics: [{ match: '$connections' }] } });
    await expect(bench.start({ sse: module })).rejects.toMatchObject({ code: 'BAD_TOPIC' });
  });

  it('cannot be published to from outside of Nest, nor ended', async () => {
    const publisher = createPublisher(sqliteBackplane({ path: newPath() }));
    const refusal = { code: 'BAD_TOPIC', message: expect.stringContaining("begin with '$'") };
    await expect(publisher.publish('$presence', { data: 1 })).rejects.toMatchObject(refusal);
    await expect(publisher.complete(['a', '$limits'])).rejects.toMatchObject(refusal);
    await publisher.close();
    const bus = (await bench.start(Routes)).get(EventBus);
    await expect(bus.complete('$connections')).rejects.toMatchObject(refusal);
  });

  it('cannot be asked for by a client', async () => {
    const app = await bench.start(Routes);
    expect((await bench.connect(app, '/matched?pattern=$connections')).status).toBe(500);
    expect((await bench.connect(app, '/named?topics=news,$connections')).status).toBe(500);
    expect(bench.logs.find('error', '').join()).toContain("begin with '$'");
  });

  it('may have it anywhere else', async () => {
    const bus = (await bench.start(Routes)).get(EventBus);
    await expect(bus.publish('price.$', { data: 1 })).resolves.toMatch(/\.1$/);
    expect(matching('price.$.*').matches('price.$.x')).toBe(true);
  });

  it.each(['*', '**', '*.x', '*.**'])('are not selected by a wildcard: %s', async (pattern) => {
    const app = await bench.start(Routes);
    const client = await bench.connect(app, `/matched?pattern=${pattern}`);
    await app.get(SseConnections).closeEverywhere({ owner: 'nobody' });
    await app.get(EventBus).publish(['a', 'a.x', 'a.x.y'], { data: 'visible' });
    expect((await client.next()).data).toBe('visible');
    const late = await bench.connect(app, `/matched?pattern=${pattern}`, {
      lastEventId: app.get(EventBus).head.replace(/\d+$/, '0'),
    });
    expect((await late.next()).data).toBe('visible');
  });

  it.each(['*', '*.x', '**'])(
    'are no match, and no gap, for a matcher that comes later: %s',
    async (pattern) => {
      const backplane = new MemoryBackplane();
      instance = await Instance.open({ maxEvents: 2 }, backplane);
      const begin = instance.bus.head;
      for (const topic of ['$x', '$a.x', '$b.x', '$c.x', '$d.x'])
        await backplane.publish({ topics: [topic], text: '1', isJson: true });
      await instance.turn.nextRound();
      const connection = instance.connect((bus) => bus.stream(matching(pattern)), begin);
      await instance.turn.nextRound();
      await instance.turn.nextRound();
      expect(connection.frames.join('')).not.toMatch(/^(data|event)/m);
      expect(matching(pattern).matches('$a.x')).toBe(false);
    },
  );
});
