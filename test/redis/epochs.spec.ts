import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { LogLines } from '../support/log-lines.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { SCRIPT } from '../../src/redis/script.js';
import { RedisServer } from './support/redis-server.js';
import { Replica } from './support/replica.js';

describeWith(REDIS_SERVER, 'an epoch', (path) => {
  let redis: RedisServer;
  let logs = 0;
  let key: string;
  let replicas: Replica[];

  beforeAll(async () => {
    redis = await RedisServer.start(path);
  });

  afterAll(() => redis.stop());

  beforeEach(() => {
    key = `log-${++logs}`;
    replicas = [];
    Logger.overrideLogger(new LogLines());
  });

  afterEach(async () => {
    await Promise.all(replicas.map(({ backplane }) => backplane.close()));
    Logger.overrideLogger(false);
  });

  async function open(): Promise<Replica> {
    const replica = await Replica.open({ url: redis.url, key });
    replicas.push(replica);
    return replica;
  }

  /** Waits until all have left an epoch, and gives the one that all are in then. */
  async function epochAfter(epoch: string): Promise<string> {
    await until('all are in another epoch, the same', () => {
      const [first, ...others] = replicas.map(({ sink }) => sink.epoch);
      return first !== epoch && others.every((other) => other === first);
    });
    return replicas[0]?.sink.epoch ?? '';
  }

  it("begins with Redis' time, so that a later one is greater", async () => {
    const { epoch } = (await open()).sink;
    const [seconds] = await redis.control.time();
    expect(epoch).toMatch(/^[0-9a-f]{16}$/);
    const begun = Number.parseInt(epoch.slice(0, 11), 16);
    expect(Math.abs(begun / 1_000 - Number(seconds))).toBeLessThan(10);
    await redis.control.flushall();
    expect([epoch, await epochAfter(epoch)].sort()[0]).toBe(epoch);
  });

  it('is greater than the one before also when the clock has gone back', async () => {
    const { sink } = await open();
    await redis.control.hset(`{${key}}:meta`, 'e', 'ffeffffffff00000');
    const future = await epochAfter(sink.epoch);
    expect(future).toBe('ffeffffffff00000');
    await redis.control.flushall();
    expect(await epochAfter(future)).toMatch(/^fff00000000[0-9a-f]{5}$/);
  });

  /** Asks where the log ends, as somebody does who knows a place in it; gives its epoch. */
  async function epochFor(epoch: string, offset: number, id: string): Promise<string> {
    const keys = [`{${key}}:meta`, `{${key}}:log`];
    const given = ['00000', epoch, offset, id, 1_000, 0, 1_000_000, 1_000, 0, 1_000_000, '[]'];
    const [found] = (await redis.control.eval(SCRIPT, 2, ...keys, ...given)) as [string];
    return found;
  }

  /** The ids of all events, in their order. */
  async function idsOfLog(): Promise<string[]> {
    const entries = await redis.control.xrange(`{${key}}:log`, '-', '+');
    return entries.filter(([, [name]]) => name === 'c').map(([id]) => id);
  }

  it('goes on for whoever knows a place in it, however often nothing was published for long', async () => {
    const one = await open();
    const { epoch } = one.sink;
    const lengths = [150, 5_000, 200, 99, 800, 100, 3_600_000, 400];
    for (let round = 0; round < 40; round++) {
      await Promise.all([one.publish('first'), one.publish('second')]);
      await redis.pass(`{${key}}:log`, lengths[round % lengths.length] ?? 0);
    }
    for (const [index, id] of (await idsOfLog()).entries()) {
      expect(await epochFor(epoch, index + 1, id)).toBe(epoch);
    }
    const pauses = (await redis.control.hget(`{${key}}:meta`, 'q'))?.split(' ').slice(3) ?? [];
    expect(pauses).toHaveLength(16);
    const offsets = pauses.map((pause) => Number(pause.split(':')[0]));
    expect(offsets).toEqual(offsets.toSorted((a, b) => b - a));
  });

  it('ends for whoever knows of an event that was replaced behind a pause which is one of the longest', async () => {
    const one = await open();
    await one.publish('kept');
    const { epoch } = one.sink;
    const names = [`{${key}}:meta`, `{${key}}:log`];
    let id = '';
    await redis.takeBack(names, async () => {
      await one.publish('gone');
      id = (await idsOfLog())[1] ?? '';
      await one.backplane.close();
    });
    replicas = [];
    await redis.pass(`{${key}}:log`, 2_000);
    const other = await open();
    for (let round = 0; round < 40; round++) {
      await other.publish('new');
      await redis.pass(`{${key}}:log`, 1_000);
    }
    await redis.control.xtrim(`{${key}}:log`, 'MAXLEN', 1);
    expect(other.sink.epoch).toBe(epoch);
    expect((await epochFor(epoch, 2, id)) > epoch).toBe(true);
  });

  it('is not taken up again when an old state of Redis is restored after a flush', async () => {
    const [one, two] = [await open(), await open()];
    await one.publish('before');
    await two.received('before');
    const first = two.sink.epoch;
    let second = '';
    await redis.takeBack([`{${key}}:meta`, `{${key}}:log`], async () => {
      await redis.control.flushall();
      second = await epochAfter(first);
    });
    const third = await epochAfter(second);
    expect([third, second, first].sort()).toEqual([first, second, third]);
    await two.publish('after');
    await one.received('after');
    expect(one.texts).toEqual(['after']);
  });
});
