import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { type INestApplication, Logger } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import { connectSse } from 'nestjs-event-stream/testing';
import { LogLines } from '../support/log-lines.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { startInstance } from './support/instance.js';
import { RedisServer } from './support/redis-server.js';
import { Replica } from './support/replica.js';

/** Of every message about a key that somebody else has written to. */
const FIX = /delete it, or give this log another 'key'/;

describeWith(REDIS_SERVER, 'a key of another type than the log needs', (path) => {
  let redis: RedisServer;
  let logs = 0;
  let key: string;
  let lines: LogLines;
  let replica: Replica;
  let app: INestApplication | undefined;

  beforeAll(async () => {
    redis = await RedisServer.start(path);
  });

  afterAll(() => redis.stop());

  beforeEach(async () => {
    key = `log-${++logs}`;
    lines = new LogLines();
    Logger.overrideLogger(lines);
    app = undefined;
    replica = await Replica.open({ url: redis.url, key }, { topics: [{ match: '*' }] });
  });

  afterEach(async () => {
    await app?.close();
    await replica.backplane.close();
    Logger.overrideLogger(false);
  });

  const keyOf = (...parts: string[]) => [`{${key}}`, ...parts].join(':');

  it.each<[string, (epoch: string) => string]>([
    ['the state', () => keyOf('meta')],
    ['the log', () => keyOf('log')],
    ['an idempotency key', () => keyOf('once', 'i')],
    ['what is kept of the topic', (epoch) => keyOf('kept', epoch, 't')],
  ])('is named to who publishes: %s', async (_, nameOf) => {
    const name = nameOf(replica.sink.epoch);
    await redis.control.del(name);
    await redis.control.sadd(name, 'by somebody else');
    const refused = replica.publish('refused', { idempotencyKey: 'i' });
    await expect(refused).rejects.toMatchObject({ code: 'BACKPLANE_UNAVAILABLE' });
    await expect(refused).rejects.toThrow(`${name} holds a set`);
    await expect(refused).rejects.toThrow(FIX);
    await redis.control.del(name);
    await replica.publish('taken', { idempotencyKey: 'i' });
    await replica.received('taken');
    await until('it is connected', () => replica.backplane.health.isConnected);
  });

  it.each(['topic', 'by-age', 'due'])(
    'is named to operators where the event is published nevertheless: %s',
    async (kind) => {
      const { epoch } = replica.sink;
      const name = kind === 'topic' ? keyOf(kind, epoch, 't') : keyOf(kind, epoch);
      await replica.publish('before');
      await redis.control.set(name, 'by somebody else');
      await replica.publish('during');
      await until('it is told', () => lines.find('warn', `${name} holds a string`).length === 1);
      expect(lines.find('warn', `${name} holds a string`)[0]).toMatch(FIX);
      await redis.control.del(name);
      await replica.publish('after');
      expect(lines.find('log', 'trims the log again')).toHaveLength(1);
    },
  );

  it.each(['meta', 'log'])(
    'is one line, and in the health, also if nobody publishes: %s',
    async (kind) => {
      const name = keyOf(kind);
      await replica.publish('before');
      await replica.received('before');
      await redis.control.set(name, 'by somebody else');
      if (kind === 'log') await redis.killClients(':read');
      await until('it is noticed', () => !replica.backplane.health.isConnected);
      await until('it is told', () => lines.find('warn', `${name} holds a string`).length > 0);
      expect(lines.find('warn', `${name} holds a string`)[0]).toMatch(FIX);
      await redis.control.del(name);
      await until('it is mended', () => replica.backplane.health.isConnected);
      await replica.publish('after');
      await replica.received('after');
      expect(lines.find('warn', name)).toHaveLength(1);
    },
  );

  it.each(['meta', 'log'])('is named to who starts: %s', async (kind) => {
    key = `${key}-fresh`;
    await redis.control.set(keyOf(kind), 'by somebody else');
    const start = Replica.open({ url: redis.url, key });
    await expect(start).rejects.toMatchObject({ code: 'BACKPLANE_UNAVAILABLE' });
    await expect(start).rejects.toThrow(`${keyOf(kind)} holds a string`);
    await expect(start).rejects.toThrow(FIX);
  });

  it.each<[string, string, string[]]>([
    ['kept', 'what is kept', ['gap', 'message']],
    ['topic', 'what is known of it', ['gap', 'message', 'message', 'message']],
  ])('is a gap for who reads the topic, and one line: %s', async (kind, _, expected) => {
    const history = { maxEvents: 2, topics: [{ match: 'job' }] };
    app = await startInstance(
      { url: redis.url, key: `${key}-app`, checkInterval: 100 },
      { history },
    );
    key = `${key}-app`;
    // Nest has set one of its own.
    Logger.overrideLogger(lines);
    const bus = app.get(EventBus);
    const first = await bus.publish('job', { data: 'first' });
    for (const data of ['second', 'third']) await bus.publish('job', { data });
    for (const data of [1, 2, 3, 4]) await bus.publish('noise', { data });
    const name = keyOf(kind, first.split('.')[0] ?? '', 'job');
    await redis.control.set(name, 'by somebody else');
    const client = await connectSse(await app.getUrl(), '/topics/job', { lastEventId: first });
    const { type, data } = await client.next();
    expect([type, JSON.parse(data)]).toMatchObject([
      'gap',
      { reason: 'trimmed', requested: first },
    ]);
    await until('it is told', () => lines.find('error', `${name} holds a string`).length === 1);
    expect(lines.find('error', name)[0]).toMatch(FIX);
    await redis.control.del(name);
    await bus.publish('job', { data: 'last' });
    const types = [type];
    for (let last = ''; last !== 'last';) {
      const event = await client.next();
      types.push(event.type);
      last = event.data;
    }
    expect(types).toEqual(expected);
    expect(lines.find('warn', 'archive cannot be read')).toEqual([]);
  });
});
