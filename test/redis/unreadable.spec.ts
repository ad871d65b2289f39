import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { connectSse } from 'nestjs-event-stream/testing';
import { EventBus } from 'nestjs-event-stream';
import { LogLines } from '../support/log-lines.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { startInstance } from './support/instance.js';
import { RedisServer } from './support/redis-server.js';
import { Replica } from './support/replica.js';

describeWith(REDIS_SERVER, 'an entry that nobody can read', (path) => {
  let redis: RedisServer;
  let lines: LogLines;

  beforeEach(async () => {
    lines = new LogLines();
    Logger.overrideLogger(lines);
    redis = await RedisServer.start(path);
  });

  afterEach(async () => {
    await redis.stop();
    Logger.overrideLogger(false);
  });

  /** Adds an entry in its place, as another version of this package might. */
  async function add(header: unknown, data = '1'): Promise<void> {
    const [n, i, e] = await redis.control.hmget('{k}:meta', 'n', 'i', 'e');
    const offset = Number(n) + 1;
    const fields = ['c', `${e}.${offset}`, 'p', i ?? '', 'h', JSON.stringify(header), 'd', data];
    const id = await redis.control.xadd('{k}:log', '*', ...fields);
    await redis.control.hset('{k}:meta', 'n', offset, 'i', id ?? '');
  }

  it.each([
    ['a type that is no string', { t: ['t'], y: 5 }, '1'],
    ['a type with a line break', { t: ['t'], y: 'x\ndata: injected' }, '1'],
    ['a topic that is a number', { t: [5] }, '1'],
    ['a topic that is an object', { t: [{ toString: 1 }] }, '1'],
    ['no topics', { t: [] }, '1'],
    ['a key that is an object', { t: ['t'], k: {} }, '1'],
    ['a header that is none', null, '1'],
    ['data that is no JSON', { t: ['t'] }, '{no'],
  ])('for %s is a hole, one line in the log, and nothing more', async (_, header, data) => {
    const replica = await Replica.open({ url: redis.url, key: 'k' });
    await replica.publish('before');
    await add(header, data);
    await add(header, data);
    await replica.publish('after');
    await replica.received('after');
    const later = await Replica.open({ url: redis.url, key: 'k' });
    for (const { sink, texts } of [replica, later]) {
      expect(texts).toEqual(['before', 'after']);
      expect(sink.head).toBe(4);
    }
    expect(lines.find('error', 'cannot be read')).toHaveLength(2);
    await Promise.all([replica.backplane.close(), later.backplane.close()]);
  });

  it('is a gap for clients', async () => {
    const app = await startInstance({ url: redis.url, key: 'k' });
    const client = await connectSse(app, '/topics/t');
    const bus = app.get(EventBus);
    await bus.publish('t', { data: 'before' });
    expect((await client.next()).data).toBe('before');
    await add({ t: ['t'], y: 5 });
    await bus.publish('t', { data: 'after' });
    expect((await client.next('gap')).json()).toMatchObject({ reason: 'trimmed' });
    expect((await client.next()).data).toBe('after');
    client.close();
    await app.close();
  });

  it('and has no place in the log is passed over', async () => {
    const replica = await Replica.open({ url: redis.url, key: 'k' });
    await replica.publish('before');
    await redis.control.xadd('{k}:log', '*', 'foo', 'bar');
    await replica.publish('after');
    await replica.received('after');
    expect(replica.losses).toBe(0);
    await replica.backplane.close();
  });

  it('and uses up the ids of the stream begins another log, and nothing is lost after it', async () => {
    const replica = await Replica.open({ url: redis.url, key: 'k' });
    await replica.publish('before', { idempotencyKey: 'before' });
    const last = '18446744073709551615-18446744073709551615';
    await redis.control.xadd('{k}:log', last, 'foo', 'bar');
    const cursor = await replica.publish('after', { idempotencyKey: 'after' });
    expect(await replica.publish('again', { idempotencyKey: 'after' })).toBe(cursor);
    await replica.received('after');
    await replica.publish('more');
    await replica.received('more');
    expect(replica.texts).toEqual(['after', 'more']);
    expect(replica.losses).toBe(1);
    await replica.backplane.close();
  });
});
