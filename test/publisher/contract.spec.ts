import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { createPublisher, type TopicRetention } from 'nestjs-event-stream/publisher';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { connectSse } from 'nestjs-event-stream/testing';
import { SCRIPT } from '../../src/redis/script.js';
import { startInstance } from '../redis/support/instance.js';
import { RedisServer } from '../redis/support/redis-server.js';
import { describeWith, PYTHON, REDIS_SERVER } from '../support/programs.js';

const folder = join(import.meta.dirname, '../../docs/redis-contract');

interface Case {
  readonly name: string;
  readonly key?: string;
  readonly topics: string | string[];
  readonly event: { readonly data: unknown };
  readonly idempotencyKey?: string;
  readonly traceparent?: string;
  readonly rules?: readonly TopicRetention[];
}

interface Vectors {
  readonly version: number;
  readonly published: (Case & {
    keys: string[];
    args: string[];
    h: string;
    d: string;
  })[];
  readonly refused: (Case & { code: string })[];
}

const vectors = JSON.parse(readFileSync(join(folder, 'vectors.json'), 'utf8')) as Vectors;

/** The first call that writes an event to a Redis which takes everything. */
async function callOf(test: Case): Promise<string[]> {
  let call: string[] = [];
  const onEnd: (() => void)[] = [];
  const connection = {
    status: 'ready',
    connect: () => Promise.resolve(),
    disconnect: () => onEnd.forEach((listener) => listener()),
    on: () => {},
    once: (event: string, listener: () => void) => event === 'end' && onEnd.push(listener),
    call: async (_command: string, _sha: string, count: number, ...rest: unknown[]) => {
      const events = (rest.length - count - 11) / 4;
      if (events > 0) call = rest.map(String);
      return ['', '0', '', '0', Array.from({ length: events }, () => 'e.1')];
    },
  };
  const client = { duplicate: () => connection, options: {} } as unknown as Redis;
  const publisher = createPublisher(redisBackplane({ client, key: test.key }), {
    history: { topics: test.rules },
    traceparent: () => test.traceparent,
  });
  const { topics, event, idempotencyKey } = test;
  await publisher.publish(topics, event, { idempotencyKey }).finally(() => publisher.close());
  return call;
}

describe('the contract in Redis', () => {
  it('has the script that the package runs', () => {
    expect(readFileSync(join(folder, 'publish.lua'), 'utf8')).toBe(SCRIPT);
  });

  it('is of the version that the script writes', () => {
    expect(vectors.version).toBe(Number(/'v', (\d+)/.exec(SCRIPT)?.[1]));
    expect(SCRIPT).toContain(`~= '${vectors.version}'`);
  });

  it.each(vectors.published)('$name', async ({ keys, args, h, d, ...test }) => {
    const [digits, ...expected] = [...args, h, d, ''];
    const call = await callOf(test);
    expect(digits).toBe('<digits>');
    expect(call[keys.length]).toMatch(/^[0-9a-f]{5}$/);
    expect(call.toSpliced(keys.length, 1)).toEqual([...keys, ...expected]);
  });

  it.each(vectors.refused)('refuses $name', async ({ code, ...test }) => {
    await expect(callOf(test)).rejects.toMatchObject({ code });
  });
});

describeWith(PYTHON, 'the Python example', (python) => {
  const run = async (...args: string[]) => {
    const { stdout } = await promisify(execFile)(python, [join(folder, 'publish.py'), ...args]);
    return stdout.trim();
  };

  it('passes the vectors', async () => {
    const count = vectors.published.length + vectors.refused.length;
    expect(await run('--vectors', join(folder, 'vectors.json'))).toBe(`${count} vectors passed`);
  });

  describeWith(REDIS_SERVER, 'with Redis', (path) => {
    let redis: RedisServer;
    let app: INestApplication;

    beforeAll(async () => {
      redis = await RedisServer.start(path);
      app = await startInstance({ url: redis.url, key: 'shop' });
    });

    afterAll(async () => {
      await app.close();
      await redis.stop();
    });

    it('publishes to an application, once under one name, and after a script flush', async () => {
      const client = await connectSse(app, '/topics/news');
      const target = ['--port', String(redis.port), '--key', 'shop', '--type', 'greeting'];
      const once = [...target, '--idempotency-key', 'hello-1', 'news', '{"text":"größer ☃"}'];
      const first = await run(...once);
      const event = await client.next('greeting');
      expect([event.json(), event.lastEventId]).toEqual([{ text: 'größer ☃' }, first]);
      expect(await run(...once)).toBe(first);
      await redis.control.script('FLUSH');
      const second = await run(...target, 'news', '"a\\nb"');
      const next = await client.next('greeting');
      expect([next.data, next.lastEventId]).toEqual(['a\nb', second]);
      client.close();
    });
  });
});
