import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { CatchUpOptions, Cursor, EventRecord, PublishOptions } from 'nestjs-event-stream';
import { redisBackplane } from 'nestjs-event-stream/redis';
import { firstValueFrom } from 'rxjs';
import { setTimeout as elapse } from 'node:timers/promises';
import { Broker, BrokerBackplane } from '../backplane/broker.js';
import { OWNERS_TOPIC } from '../../src/runs/run-topics.js';
import { Proxy } from '../redis/support/proxy.js';
import { RedisServer } from '../redis/support/redis-server.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { all, deferred, RunsBench, told, waitForAbort } from './instances.js';

const LEASE = 1_000;

/** One whose broker answers nothing for a while. */
class HangingBackplane extends BrokerBackplane {
  #answers = Promise.resolve();

  /** Gives what lets it answer again. */
  hang(): () => void {
    const { promise, resolve } = deferred();
    this.#answers = promise;
    return resolve;
  }

  override async publish(record: EventRecord, options: PublishOptions = {}): Promise<Cursor> {
    await this.#answers;
    return super.publish(record, options);
  }

  override async catchUp(_options?: CatchUpOptions): Promise<void> {
    await this.#answers;
  }
}

describe('a run while the broker answers nobody', () => {
  const broker = new Broker();
  const backplanes = [new HangingBackplane(broker), new HangingBackplane(broker)] as const;
  let started = 0;
  const bench = new RunsBench(true, () => backplanes[started++]);
  afterEach(() => bench.stop());

  it('is not lost for that, if its owner comes back to the broker later than others', async () => {
    const [one, two] = await bench.startTwo({ runs: { lease: LEASE } });
    const go = deferred();
    await one.runs.start('chat.1', async ({ emit, signal }) => {
      await emit('a');
      await go.promise;
      await emit('b');
      await waitForAbort(signal);
    });
    const reading = await bench.connect(two, '/runs/chat.1');
    expect(told(await reading.take(1))).toEqual(['a']);
    await firstValueFrom(two.bus.follow(OWNERS_TOPIC));
    const [answerOwner, answerOther] = backplanes.map((backplane) => backplane.hang());
    await elapse(LEASE * 0.9);
    answerOther?.();
    await elapse(LEASE * 0.15);
    answerOwner?.();
    go.resolve();
    expect(told(await reading.take(1))).toEqual(['b']);
    expect(await two.runs.stop('chat.1')).toMatchObject({ status: 'stopped', events: 2 });
    expect(await all(reading)).toEqual(['run-end {"status":"stopped"}']);
  });
});

describeWith(
  REDIS_SERVER,
  'a run whose instance is cut off before it hears of its events',
  (path) => {
    const TAIL = 50;
    let redis: RedisServer;
    let proxy: Proxy;
    let bench: RunsBench;
    let logs = 0;

    beforeAll(async () => {
      redis = await RedisServer.start(path);
    });
    beforeEach(async () => {
      proxy = await Proxy.start(redis.port);
      const shared = { key: `log-${++logs}`, checkInterval: 100 };
      const options = [{ url: proxy.url, publishTimeout: 500 }, { url: redis.url }];
      bench = new RunsBench(true, () => redisBackplane({ ...shared, ...options.shift() }));
    });
    afterEach(async () => {
      await bench.stop();
      await proxy.stop();
    });
    afterAll(() => redis.stop());

    it.each([
      ['no more than its tail holds', 3, 0],
      ['more than its tail holds', 40 * TAIL, 0],
      ['more than its tail holds, and it goes on', 40 * TAIL, 2 * TAIL],
    ])('has each event once when others publish %s meanwhile', async (_, meanwhile, later) => {
      const [one, two] = await bench.startTwo({ sse: { history: { maxEvents: TAIL } } });
      const publishNoise = (count: number) =>
        Promise.all(Array.from({ length: count }, (_, n) => two.bus.publish('noise', { data: n })));
      const [go, isFirstThere] = [deferred(), deferred()];
      await one.runs.start('chat.1', async ({ emit }) => {
        await emit('a');
        isFirstThere.resolve();
        await go.promise;
        await Promise.all([emit('b'), emit('c')]);
        await emit('d');
      });
      await isFirstThere.promise;
      const reading = await bench.connect(two, '/runs/chat.1');
      expect(told(await reading.take(1))).toEqual(['a']);
      for (const name of [':publish', ':read']) proxy.deafen(name);
      go.resolve();
      expect(told(await reading.take(2))).toEqual(['b', 'c']);
      proxy.cut();
      await publishNoise(meanwhile);
      proxy.mend();
      await until('it has heard of it', () => one.bus.head === two.bus.head);
      await publishNoise(later);
      expect(await all(reading)).toEqual(['d', 'run-end {"status":"done"}']);
    });
  },
);
