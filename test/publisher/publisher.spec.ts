import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { EventBus, MemoryBackplane, SseError } from 'nestjs-event-stream';
import { createPublisher, type EventPublisher } from 'nestjs-event-stream/publisher';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { connectSse } from 'nestjs-event-stream/testing';
import { Workspace } from '../docs/workspace.js';
import { startInstance } from '../redis/support/instance.js';
import { RedisServer } from '../redis/support/redis-server.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';

it('does without a backplane that reaches nobody: it says which one to use', () => {
  expect(() => createPublisher(new MemoryBackplane())).toThrow(
    expect.objectContaining({
      code: 'BAD_OPTION',
      message: expect.stringContaining('redisBackplane'),
    }),
  );
});

it.each([undefined, 'redis://127.0.0.1:6379', {}])('needs a backplane, not %p', (backplane) => {
  expect(() => createPublisher(backplane as unknown as MemoryBackplane)).toThrow(
    expect.objectContaining({
      code: 'BAD_OPTION',
      message: expect.stringContaining('redisBackplane({ url })'),
    }),
  );
});

it('waits for what is on its way when it is closed, no longer than a publish does', async () => {
  const backplane = redisBackplane({ url: 'redis://127.0.0.1:1', publishTimeout: 100 });
  backplane.logger = { log: () => {}, warn: () => {}, error: () => {} };
  const publisher = createPublisher(backplane);
  const published = publisher.publish('a', { data: 1 });
  let failure: unknown;
  published.catch((error: unknown) => (failure = error));
  await publisher.close();
  expect(failure).toMatchObject({ code: 'BACKPLANE_UNAVAILABLE' });
});

it('waits for nothing when what was published has failed already', async () => {
  const backplane = redisBackplane({ url: 'redis://127.0.0.1:1', publishTimeout: 100 });
  backplane.logger = { log: () => {}, warn: () => {}, error: () => {} };
  const publisher = createPublisher(backplane);
  await expect(publisher.publish('a', { data: 1 })).rejects.toThrow('Redis has been away');
  const timer = jest.spyOn(globalThis, 'setTimeout');
  await publisher.close();
  const waits = timer.mock.calls.map(([, milliseconds = 0]) => milliseconds);
  timer.mockRestore();
  // Of the connection's end alone; ioredis has a wait of 100 of its own if an attempt was under way.
  expect(waits.filter((wait) => wait !== 100)).toEqual([500]);
});

it('refuses options that it does not know, and says whose they are', () => {
  const backplane = redisBackplane({ url: 'redis://127.0.0.1:1' });
  const mistakes: [options: object, named: string][] = [
    [{ topics: [] }, "'topics'"],
    [{ history: { maxEvents: 10 } }, "'maxEvents'"],
    [{ history: { topics: [{ match: 'a', keepFor: 0 }] } }, 'history.topics[0].keepFor'],
    [{ maxEventBytes: 0 }, 'maxEventBytes'],
    [{ events: { a: 7 } }, 'events.a'],
  ];
  for (const [options, named] of mistakes) {
    expect(() => createPublisher(backplane, options)).toThrow(
      expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining(named) }),
    );
  }
  expect(() => createPublisher(backplane, { history: { topics: [{ match: 'a*' }] } })).toThrow(
    expect.objectContaining({ code: 'BAD_TOPIC' }),
  );
});

it('survives an error that cannot be rendered, of a publish that nobody awaits', async () => {
  const line = new Promise<unknown>((resolve) =>
    jest.spyOn(console, 'error').mockImplementationOnce(resolve),
  );
  const unrenderable: unknown = new Proxy(
    {},
    {
      get: () => {
        throw new Error('no');
      },
    },
  );
  const price = {
    '~standard': {
      version: 1 as const,
      vendor: 'test',
      validate: () => {
        throw unrenderable;
      },
    },
  };
  const publisher = createPublisher(redisBackplane({ url: 'redis://127.0.0.1:1' }), {
    events: { price },
  });
  void publisher.publish('a', { type: 'price', data: 1 });
  expect(await line).toContain('A publish that nobody awaited failed');
  await publisher.close();
});

describeWith(REDIS_SERVER, 'a publisher outside Nest', (path) => {
  let redis: RedisServer;
  let key = '';
  let tests = 0;
  const publishers: EventPublisher[] = [];
  const apps: INestApplication[] = [];

  beforeAll(async () => {
    redis = await RedisServer.start(path);
  });

  afterEach(async () => {
    await Promise.all(publishers.splice(0).map((publisher) => publisher.close()));
    await Promise.all(apps.splice(0).map((app) => app.close()));
  });

  afterAll(() => redis.stop());

  function publisher(): EventPublisher {
    const created = createPublisher(redisBackplane({ url: redis.url, key }));
    publishers.push(created);
    return created;
  }

  async function instance(maxEvents?: number): Promise<INestApplication> {
    const history = maxEvents === undefined ? {} : { history: { maxEvents } };
    const app = await startInstance({ url: redis.url, key }, history);
    apps.push(app);
    return app;
  }

  function begin(): void {
    key = `test-${++tests}`;
  }

  it('reaches the clients of every instance, and opens one connection that reads nothing', async () => {
    begin();
    const own = publisher();
    await own.publish('news', { data: 'before any instance' });
    expect((await redis.clients()).map(({ name }) => name)).toEqual([
      'nestjs-event-stream:publish',
    ]);
    const clients = [];
    for (const app of [await instance(), await instance()]) {
      clients.push(await connectSse(app, '/topics/news'));
    }
    const cursor = await own.publish('news', { type: 'greeting', data: { text: 'Hello' } });
    for (const client of clients) {
      const event = await client.next('greeting');
      expect([event.json(), event.lastEventId]).toEqual([{ text: 'Hello' }, cursor]);
      client.close();
    }
  });

  it('sends what is on its way before it closes, which it can be told twice', async () => {
    begin();
    const own = publisher();
    // Not connected yet.
    const cursors = [own.publish('news', { data: 1 }), own.publish('news', { data: 2 })];
    await Promise.all([own.close(), own.close()]);
    expect((await Promise.all(cursors)).map((cursor) => cursor.split('.')[1])).toEqual(['1', '2']);
    await own.close();
    for (const late of [own.publish('news', { data: 3 }), own.complete('news')]) {
      await expect(late).rejects.toMatchObject({
        code: 'BACKPLANE_CLOSED',
        message: expect.stringContaining('close() was called') as unknown,
      });
    }
    expect(await redis.control.xlen(`{${key}}:log`)).toBe(2);
  });

  it('completes a topic for the clients of every instance', async () => {
    begin();
    const own = publisher();
    const app = await instance();
    const client = await connectSse(app, '/topics/news');
    await own.publish('news', { data: 'last' });
    const end = await own.complete('news');
    expect((await client.next()).data).toBe('last');
    await client.closed;
    expect(client.lastEventId).toBe(end);
    expect((await connectSse(app, '/topics/news')).status).toBe(204);
    await expect(own.complete('')).rejects.toMatchObject({ code: 'BAD_TOPIC' });
  });

  it('refuses what the bus refuses, in the same words', async () => {
    begin();
    const own = publisher();
    const bus = (await instance()).get(EventBus);
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    const mistakes: [topics: string | string[], event: never][] = [
      [[], { data: 1 } as never],
      ['', { data: 1 } as never],
      ['$runs', { data: 1 } as never],
      ['a', null as never],
      ['a', {} as never],
      ['a', { type: 'gap', data: 1 } as never],
      ['a', { type: 'a\nb', data: 1 } as never],
      ['a', { data: 1, key: 7 } as never],
      ['a', { data: circular } as never],
      ['a', { data: NaN } as never],
      ['a', { data: 1, id: '7' } as never],
      ['a', { data: 'x'.repeat(1_048_577) } as never],
    ];
    for (const [topics, event] of mistakes) {
      const [here, there] = await Promise.all(
        [own, bus].map((each) => each.publish(topics, event).catch((error: unknown) => error)),
      );
      expect(here).toBeInstanceOf(SseError);
      expect(here).toEqual(there);
      expect((here as SseError).code).toBe((there as SseError).code);
    }
  });

  it('publishes once under one idempotency key', async () => {
    begin();
    const own = publisher();
    const cursors = [];
    for (let count = 0; count < 2; count++) {
      cursors.push(await own.publish('a', { data: count }, { idempotencyKey: 'once' }));
    }
    expect(cursors[1]).toBe(cursors[0]);
    expect(await redis.control.xlen(`{${key}}:log`)).toBe(1);
  });

  it('leaves to the instances how much is kept', async () => {
    begin();
    const own = publisher();
    await own.publish('a', { data: 'first' });
    await instance(10);
    await Promise.all(Array.from({ length: 500 }, (_, data) => own.publish('a', { data })));
    // Redis trims whole nodes of a hundred entries.
    expect(await redis.control.xlen(`{${key}}:log`)).toBeLessThan(250);
  });

  it('keeps topics as its rules say, and lets the instances say how much of them', async () => {
    begin();
    const topics = [{ match: 'job.*' }];
    const app = await startInstance(
      { url: redis.url, key },
      { history: { maxEvents: 10, topics, archive: { maxBytes: 20_000 } } },
    );
    apps.push(app);
    const own = createPublisher(redisBackplane({ url: redis.url, key }), { history: { topics } });
    publishers.push(own);
    const first = await own.publish('job.7', { data: 'first' });
    const kept = `{${key}}:kept:${first.split('.')[0]}:job.7`;
    expect(await redis.control.xlen(kept)).toBe(1);
    await Promise.all(Array.from({ length: 500 }, (_, data) => own.publish('job.7', { data })));
    await own.publish('news', { data: 'not kept' });
    // 200 bytes for each event, beside what is in it.
    expect(await redis.control.xlen(kept)).toBeLessThan(100);
    expect(await redis.control.exists(kept.replace('job.7', 'news'))).toBe(0);
  });

  it('does not write to a log of another version of the contract', async () => {
    begin();
    await redis.control.hset(`{${key}}:meta`, 'v', '2');
    await expect(publisher().publish('a', { data: 1 })).rejects.toMatchObject({
      code: 'BACKPLANE_UNAVAILABLE',
      message: expect.stringContaining('version 2') as unknown,
    });
    await expect(startInstance({ url: redis.url, key })).rejects.toThrow('version 2');
    expect(await redis.control.exists(`{${key}}:log`)).toBe(0);
  });

  it('rejects after it was closed', async () => {
    begin();
    const own = publisher();
    await own.publish('a', { data: 1 });
    await own.close();
    await own.close();
    await expect(own.publish('a', { data: 2 })).rejects.toMatchObject({ code: 'BACKPLANE_CLOSED' });
    expect(await redis.clients()).toEqual([]);
  });

  it('has a backplane of its own', () => {
    begin();
    const backplane = redisBackplane({ url: redis.url, key });
    publishers.push(createPublisher(backplane));
    expect(() => createPublisher(backplane)).toThrow(
      expect.objectContaining({ code: 'BACKPLANE_BROKEN' }),
    );
  });

  it('runs where neither Nest nor RxJS is installed, and lets the process end', async () => {
    begin();
    const workspace = new Workspace(join(import.meta.dirname, '../..'));
    for (const name of ['@nestjs', 'rxjs', 'reflect-metadata']) {
      rmSync(join(workspace.folder, 'node_modules', name));
    }
    workspace.add({
      file: 'script.ts',
      code: `
        import { createPublisher } from 'nestjs-event-stream/publisher';
        import { redisBackplane } from 'nestjs-event-stream/redis';
        const publisher = createPublisher(redisBackplane({ url: '${redis.url}', key: '${key}' }));
        void publisher.publish('a', { type: 'gap', data: 1 });
        const cursor = await publisher.publish('a', { data: 1 });
        await publisher.close();
        console.log(cursor);
        process.disconnect();
      `,
    });
    const program = workspace.run('script.js');
    expect([await program.ended, program.output]).toEqual([
      0,
      expect.stringMatching(/nobody awaited failed: .*reserved[^]*^[0-9a-f]{16}\.1$/m),
    ]);
    await workspace.remove();
  });
});

describe('its entry', () => {
  it('tells a failure of Redis to the console', async () => {
    const workspace = new Workspace(join(import.meta.dirname, '../..'));
    workspace.add({
      file: 'script.ts',
      code: `
        import { createPublisher } from 'nestjs-event-stream/publisher';
        import { redisBackplane } from 'nestjs-event-stream/redis';
        const publisher = createPublisher(redisBackplane({ url: 'redis://127.0.0.1:1', publishTimeout: 300 }));
        const { code } = await publisher.publish('a', { data: 1 }).catch((error) => error);
        await publisher.close();
        console.log(code);
        process.disconnect();
      `,
    });
    const program = workspace.run('script.js');
    await program.ended;
    expect(program.output).toMatch(
      /\[RedisBackplane\] Redis at 127\.0\.0\.1:1 is out of reach[^]*BACKPLANE_UNAVAILABLE/,
    );
    await workspace.remove();
  });
});
