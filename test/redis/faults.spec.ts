import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { History } from 'nestjs-event-stream';
import type { RedisBackplaneOptions } from 'nestjs-event-stream/redis';
import { LogLines } from '../support/log-lines.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { Proxy } from './support/proxy.js';
import { RedisServer } from './support/redis-server.js';
import { Replica } from './support/replica.js';

describeWith(REDIS_SERVER, 'the Redis backplane', (path) => {
  let redis: RedisServer;
  let logs = 0;
  let key: string;
  let proxy: Proxy;
  let lines: LogLines;
  let replicas: Replica[];

  beforeAll(async () => {
    redis = await RedisServer.start(path);
    proxy = await Proxy.start(redis.port);
  });

  afterAll(async () => {
    await proxy.stop();
    await redis.stop();
  });

  beforeEach(() => {
    key = `log-${++logs}`;
    lines = new LogLines();
    Logger.overrideLogger(lines);
    replicas = [];
  });

  afterEach(async () => {
    redis.resume();
    proxy.mend();
    await Promise.all(replicas.map(({ backplane }) => backplane.close()));
    Logger.overrideLogger(false);
  });

  async function open(
    options: RedisBackplaneOptions = {},
    history?: Partial<History>,
  ): Promise<Replica> {
    const replica = await Replica.open({ url: redis.url, key, ...options }, history);
    replicas.push(replica);
    return replica;
  }

  function failOver(work: () => Promise<void>): Promise<void> {
    return redis.takeBack([`{${key}}:meta`, `{${key}}:log`], work);
  }

  it('loses nothing when the connection of an idle reader is killed just before a publish, 50 times in 50', async () => {
    const reader = await open();
    const writer = await open();
    for (let time = 0; time < 50; time++) {
      const id = (await redis.clients()).find(({ name }) => name.endsWith(':read'))?.id ?? 0;
      await redis.control.client('KILL', 'ID', id);
      await writer.publish(`event ${time}`);
      await reader.received(`event ${time}`);
      await writer.received(`event ${time}`);
    }
    expect(reader.texts).toHaveLength(50);
    expect(writer.texts).toEqual(reader.texts);
    expect(reader.losses + writer.losses).toBe(0);
  });

  it('begins another log for everybody when Redis has forgotten the one before', async () => {
    const [one, two] = [await open(), await open()];
    await one.publish('before');
    await two.received('before');
    await redis.control.flushall();
    await until('both have another log', () => one.losses === 1 && two.losses === 1);
    expect(one.sink.epoch).toBe(two.sink.epoch);
    await two.publish('after');
    await one.received('after');
    expect(one.texts).toEqual(['after']);
  });

  it('begins another log when acknowledged events went in a failover, even those that nobody had read', async () => {
    const writer = await open();
    const reader = await open();
    await writer.publish('kept');
    await reader.received('kept');
    const { epoch } = reader.sink;
    await failOver(async () => {
      await redis.killClients(':read');
      await writer.publish('gone');
    });
    await until('both have another log', () => reader.losses > 0 && writer.losses > 0);
    expect(reader.sink.epoch).not.toBe(epoch);
    await until('they agree', () => reader.sink.epoch === writer.sink.epoch);
    await reader.publish('after');
    await writer.received('after');
    await reader.received('after');
  });

  it('publishes again under an idempotencyKey what was in a log that a failover has ended', async () => {
    const one = await open();
    const options = { idempotencyKey: 'a' };
    const before = await one.publish('paid', options);
    await failOver(async () => {
      await one.publish('gone');
    });
    await until('another log', () => one.losses > 0);
    const after = await one.publish('paid', options);
    expect(after).not.toBe(before);
    expect(await one.publish('paid', options)).toBe(after);
    await one.publish('last');
    await one.received('last');
    expect(one.texts).toEqual(['paid', 'last']);
  });

  it('publishes what a failover took although its idempotencyKey is there', async () => {
    const one = await open();
    await one.publish('kept');
    await failOver(async () => {
      await one.publish('paid', { idempotencyKey: 'a' });
      await one.backplane.close();
    });
    const unknowing = await open();
    await unknowing.publish('paid', { idempotencyKey: 'a' });
    await unknowing.received('paid');
    expect(unknowing.texts).toEqual(['kept', 'paid']);
  });

  it.each([1, 2, 3])(
    'sees that two events were replaced in a failover, when it has %i others before it can look',
    async (count) => {
      const witness = await open({ url: proxy.url });
      const [first, second] = [await open(), await open()];
      await first.publish('kept');
      await second.received('kept');
      const { epoch } = witness.sink;
      await failOver(async () => {
        for (const text of ['gone 2', 'gone 3']) await first.publish(text);
        await witness.received('gone 3');
        proxy.cut();
        // Nobody but the witness is left who knows.
        await first.backplane.close();
        await second.backplane.close();
      });
      const unknowing = await open();
      for (let number = 0; number < count; number++) await unknowing.publish(`new ${number}`);
      expect(unknowing.sink.epoch).toBe(epoch);
      proxy.mend();
      await until('another log', () => witness.sink.epoch !== epoch);
      await unknowing.publish('after');
      await witness.received('after');
    },
  );

  /** Cuts off a witness of an event that a failover then takes, and that another one replaces; gives the epoch. */
  async function replaceUnder(witness: Replica, replace: () => Promise<void>): Promise<string> {
    const first = await open();
    await first.publish('kept');
    await witness.received('kept');
    await failOver(async () => {
      await first.publish('gone');
      await witness.received('gone');
      proxy.cut();
      await first.backplane.close();
    });
    await replace();
    return witness.sink.epoch;
  }

  async function publishMany(writer: Replica, count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, (_, index) => writer.publish(`new ${index}`)));
  }

  it('sees that an event was replaced in a failover also when the log no longer reaches back to it', async () => {
    const witness = await open({ url: proxy.url }, { maxEvents: 50 });
    const epoch = await replaceUnder(witness, async () => {
      await redis.pass(`{${key}}:log`, 1_000);
      const unknowing = await open({ maxLen: 50 }, { maxEvents: 50 });
      for (let round = 0; round < 3; round++) await publishMany(unknowing, 200);
      expect(unknowing.sink.epoch).toBe(witness.sink.epoch);
      expect(await redis.control.xlen(`{${key}}:log`)).toBeLessThan(500);
    });
    proxy.mend();
    await until('another log', () => witness.sink.epoch !== epoch);
    await witness.publish('after');
    await witness.received('after');
  });

  it('sees it in the log where nothing tells of a pause, and more was published than it loads', async () => {
    const witness = await open({ url: proxy.url }, { maxEvents: 50 });
    const epoch = await replaceUnder(witness, async () => {
      await publishMany(await open(), 200);
      await redis.control.hdel(`{${key}}:meta`, 'q');
    });
    proxy.mend();
    await until('another log', () => witness.sink.epoch !== epoch);
    await witness.publish('after');
    await witness.received('after');
  });

  it('leaves a connection that is alive and deaf', async () => {
    const reader = await open({ url: proxy.url });
    const writer = await open();
    await writer.publish('heard');
    await reader.received('heard');
    proxy.deafen('nestjs-event-stream:read');
    await writer.publish('not heard');
    await reader.received('not heard');
    expect(reader.losses).toBe(0);
  });

  it('notices a log whose stream ids have fallen behind those that it has read', async () => {
    const reader = await open();
    await redis.control.xadd(`{${key}}:log`, `${Date.now() + 3_600_000}-0`, 'not', 'ours');
    await reader.publish('in the future');
    await reader.received('in the future');
    await redis.control.flushall();
    const writer = await open({ checkInterval: 60_000 });
    await writer.publish('in the present');
    await reader.received('in the present');
    expect(reader.losses).toBe(1);
  });

  it('passes over entries that are not of this package', async () => {
    const reader = await open();
    await reader.publish('one');
    await redis.control.xadd(`{${key}}:log`, '*', 'something', 'else');
    await reader.publish('two');
    await reader.received('two');
    expect(reader.losses).toBe(0);
    const late = await open();
    expect(late.texts).toEqual(['one', 'two']);
  });

  it.each([1, 30])(
    'announces exactly what was trimmed while it could not read, with %i pauses',
    async (pauses) => {
      const writer = await open({ maxLen: 100 });
      const reader = await open({ url: proxy.url });
      await writer.publish('event 1');
      await reader.received('event 1');
      proxy.cut();
      const texts = Array.from({ length: 900 }, (_, index) => `event ${index + 2}`);
      for (let pause = 0; pause < pauses; pause++) {
        await redis.pass(`{${key}}:log`, 1_000);
        const some = texts.splice(0, 900 / pauses);
        await Promise.all(some.map((text) => writer.publish(text)));
      }
      proxy.mend();
      await reader.received('event 901');
      const lost = reader.sink.calls.filter(({ kind }) => kind === 'lose');
      const [, next] = reader.sink.held.keys();
      expect(next).toBeGreaterThan(500);
      expect(lost.map(({ offset }) => offset)).toEqual([(next ?? 0) - 1]);
      for (const [offset, text] of reader.sink.held) expect(text).toBe(`event ${offset}`);
    },
  );

  it('rejects publishes within the bound while Redis is away, and delivers by itself when it is back', async () => {
    const one = await open({ publishTimeout: 1_000 });
    const two = await open({ publishTimeout: 1_000 });
    await one.publish('before');
    await two.received('before');
    await redis.kill();
    const started = performance.now();
    await expect(one.publish('into the void')).rejects.toMatchObject({
      name: 'SseError',
      code: 'BACKPLANE_UNAVAILABLE',
      message: expect.stringMatching(/not published|not known/),
    });
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(one.backplane.health.isConnected).toBe(false);
    await redis.start();
    await until('both are connected', () =>
      [one, two].every(({ backplane }) => backplane.health.isConnected),
    );
    await one.publish('after');
    await two.received('after');
    expect(lines.find('warn', 'out of reach')).toHaveLength(2);
    expect(lines.find('log', 'is back')).toHaveLength(2);
  });

  it('says that it does not know the outcome when Redis hangs, and an idempotencyKey makes that harmless', async () => {
    const one = await open({ publishTimeout: 1_000 });
    redis.pause();
    await expect(one.publish('event', { idempotencyKey: 'a' })).rejects.toMatchObject({
      code: 'PUBLISH_OUTCOME_UNKNOWN',
      message: expect.stringContaining('idempotencyKey'),
    });
    await until('health says so', () => !one.backplane.health.isConnected);
    redis.resume();
    await until('it is back', () => one.backplane.health.isConnected);
    await one.publish('event', { idempotencyKey: 'a' });
    await one.publish('last');
    await one.received('last');
    expect(one.texts).toEqual(['event', 'last']);
    expect(one.losses).toBe(0);
  });

  it('publishes once what has an idempotencyKey though its connection is killed under way', async () => {
    const one = await open();
    const cursors = [];
    for (let time = 0; time < 30; time++) {
      const publishing = one.publish(`event ${time}`, { idempotencyKey: `${time}` });
      await redis.killClients(':publish');
      cursors.push(await publishing);
    }
    await one.received('event 29');
    expect(one.texts).toEqual(Array.from({ length: 30 }, (_, time) => `event ${time}`));
    expect(new Set(cursors).size).toBe(30);
  });

  it('refuses more waiting publishes than memory should hold', async () => {
    const one = await open({ publishTimeout: 1_000 });
    redis.pause();
    const publishes = Array.from({ length: 100_300 }, () => one.publish('x'));
    await expect(publishes.at(-1)).rejects.toMatchObject({ code: 'BACKPLANE_UNAVAILABLE' });
    const outcomes = await Promise.allSettled(publishes);
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
  });

  it('keeps to its bounds of number, age and bytes in Redis', async () => {
    const log = `{${key}}:log`;
    const one = await open({ maxLen: 50 }, { maxBytes: 400_000, maxAge: 60_000 });
    for (let round = 0; round < 5; round++) {
      await Promise.all(Array.from({ length: 100 }, () => one.publish('small')));
    }
    expect(await redis.control.xlen(log)).toBeLessThanOrEqual(250);
    for (let round = 0; round < 40; round++) await one.publish('x'.repeat(50_000));
    expect(await redis.control.memory('USAGE', log, 'SAMPLES', 0)).toBeLessThan(500_000);
    const aged = await open({ key: `${key}-aged` }, { maxAge: 50 });
    for (let round = 0; round < 5; round++) {
      await Promise.all(Array.from({ length: 100 }, () => aged.publish('aged')));
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    expect(await redis.control.xlen(`{${key}-aged}:log`)).toBeLessThanOrEqual(200);
    const late = await open({ key: `${key}-aged` }, { maxAge: 50 });
    expect(late.texts).toEqual([]);
    expect(late.sink.head).toBe(500);
  });
});
