import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type INestApplication, Logger } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import { connectSse } from 'nestjs-event-stream/testing';
import { LogLines } from '../support/log-lines.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { turns, until } from '../support/until.js';
import { startInstance } from './support/instance.js';
import { RedisServer } from './support/redis-server.js';

describeWith(REDIS_SERVER, 'a client that resumes behind the tail', (path) => {
  let redis: RedisServer;
  let logs = 0;
  let app: INestApplication;
  let bus: EventBus;
  let first: string;

  beforeAll(async () => {
    redis = await RedisServer.start(path);
  });

  afterAll(() => redis.stop());

  /** It had the first event of a topic, and there were others. */
  beforeEach(async () => {
    Logger.overrideLogger(new LogLines());
    const topics = [{ match: 'job', keepFor: 60_000 }, { match: 'other' }];
    const backplane = { url: redis.url, key: `log-${++logs}`, checkInterval: 50 };
    app = await startInstance(backplane, { history: { maxEvents: 3, topics } });
    bus = app.get(EventBus);
    first = await bus.publish('job', { data: '0' });
    for (const data of ['1', '2', '3']) await bus.publish('job', { data });
    await flood();
  });

  afterEach(async () => {
    await app.close();
    Logger.overrideLogger(false);
  });

  /** Fills the tail with what nobody reads; what is due goes. */
  async function flood(): Promise<void> {
    let last = '';
    for (let n = 0; n < 6; n++) last = await bus.publish(n === 0 ? 'other' : 'noise', { data: n });
    await until('this instance has read it', () => bus.head === last);
    await turns();
  }

  function keyOf(kind: string, ...topic: string[]): string {
    return [`{log-${logs}}`, kind, bus.head.split('.')[0], ...topic].join(':');
  }

  const [kept, topic] = [() => keyOf('kept', 'job'), () => keyOf('topic', 'job')];
  const remove = (...keys: string[]) => redis.control.del(...keys);

  /** Its events are too old: they go with what is published next. */
  async function makeDue(): Promise<void> {
    await redis.control.zadd(keyOf('due'), 'XX', 1, 'job');
  }

  async function expire(...keys: string[]): Promise<void> {
    for (const key of keys) await redis.control.pexpire(key, 1);
    await until('they have expired', async () => (await redis.control.exists(...keys)) === 0);
  }

  const ways: readonly [string, () => Promise<unknown>][] = [
    ['somebody has removed both keys of its topic', () => remove(kept(), topic())],
    ['both have expired', () => expire(kept(), topic())],
    [
      'all of the archive has gone',
      async () => remove(...(await redis.control.keys(`${keyOf('*')}*`))),
    ],
    [
      'one has gone, and the other when its events were too old',
      async () => {
        await remove(topic());
        await makeDue();
        await flood();
        await remove(kept());
      },
    ],
  ];

  describe.each(ways)('is told by a gap where %s', (_, happens) => {
    it.each([
      ['and nothing has come since', async () => {}],
      ['and other topics have got something', flood],
      [
        'and the topic has got something',
        async () => {
          await bus.publish('job', { data: 'later' });
          await flood();
        },
      ],
    ])('%s', async (when, goesOn) => {
      await happens();
      await goesOn();
      const client = await connectSse(app, '/topics/job', { lastEventId: first });
      await bus.publish('job', { data: 'live' });
      const expected = when.endsWith('the topic has got something') ? ['later', 'live'] : ['live'];
      expect((await client.next()).type).toBe('gap');
      expect((await client.take(expected.length)).map(({ data }) => data)).toEqual(expected);
      client.close();
    });
  });
});
