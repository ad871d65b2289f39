import { describe, expect, it } from '@jest/globals';
import type { RedisClient } from '../../src/redis/redis-client.js';
import { LogEnd } from '../../src/redis/log-end.js';
import { Availability } from '../../src/redis/availability.js';
import { Link } from '../../src/redis/link.js';
import { resolveRedisOptions } from '../../src/redis/options.js';
import { Publisher } from '../../src/redis/publisher.js';

/** What Redis does with a command: takes its events, or fails. */
type Answer = 'takes it' | Error;

function reply(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' });
}

/** A Redis that is made of answers, one for each command. */
class FakeRedis {
  readonly taken: string[] = [];
  readonly commands: string[] = [];
  connections = 0;
  readonly #answers: Answer[];

  constructor(answers: Answer[]) {
    this.#answers = answers;
  }

  connect(): RedisClient {
    this.connections++;
    return {
      status: 'ready',
      connect: () => Promise.resolve(),
      disconnect: () => {},
      on: () => {},
      once: () => {},
      call: (name, ...args) => this.#call(name, args),
    };
  }

  #call(name: string, args: readonly (string | number)[]): Promise<unknown> {
    this.commands.push(name);
    const answer = this.#answers.shift() ?? 'takes it';
    if (answer !== 'takes it') return Promise.reject(answer);
    const texts = args.map(String).filter((arg) => arg.startsWith('event'));
    this.taken.push(...texts);
    return Promise.resolve(['e', `${this.taken.length}`, '1-1', '0', texts.map(() => 'e.1')]);
  }
}

function publisherOf(redis: FakeRedis): (text: string, idempotencyKey?: string) => Promise<string> {
  const options = resolveRedisOptions({ url: 'redis://unused', publishTimeout: 1_000 });
  const link = new Link(() => redis.connect(), 1_000, { onDown: () => {} });
  const history = { maxEvents: 10, maxBytes: 1_000, maxAge: false as const };
  const publisher = new Publisher(
    options,
    history,
    'as instance',
    link,
    new LogEnd(),
    new Availability('Redis', false),
  );
  link.open();
  return (text, idempotencyKey) =>
    publisher.publish({ topics: ['t'], text, isJson: false }, { idempotencyKey });
}

describe('a publish', () => {
  const unsent = new Error("Stream isn't writeable and enableOfflineQueue options is false");
  const closed = new Error('Connection is closed.');

  it('goes together with the others of its turn', async () => {
    const redis = new FakeRedis([]);
    const publish = publisherOf(redis);
    await Promise.all([publish('event 1'), publish('event 2'), publish('event 3')]);
    expect(redis.taken).toEqual(['event 1', 'event 2', 'event 3']);
    expect(redis.commands).toHaveLength(1);
  });

  it('goes with no more than about a megabyte of others', async () => {
    const redis = new FakeRedis([]);
    const publish = publisherOf(redis);
    const text = `event ${'x'.repeat(600_000)}`;
    await Promise.all([publish(text), publish(text), publish('event'), publish(text)]);
    expect(redis.taken).toHaveLength(4);
    expect(redis.commands).toHaveLength(3);
  });

  it('brings the script along when Redis does not know it', async () => {
    const redis = new FakeRedis([reply('NOSCRIPT No matching script')]);
    await publisherOf(redis)('event');
    expect(redis.commands).toEqual(['evalsha', 'eval']);
  });

  it.each([
    ['was not written at all', unsent],
    ['came to a replica', reply("READONLY You can't write against a read only replica.")],
    ['came while Redis was loading', reply('LOADING Redis is loading the dataset in memory')],
  ])('that %s goes over another connection, in its place', async (_, failure) => {
    const redis = new FakeRedis([failure]);
    const publish = publisherOf(redis);
    const first = publish('event 1');
    await Promise.resolve();
    await Promise.all([first, publish('event 2')]);
    expect(redis.taken).toEqual(['event 1', 'event 2']);
    expect(redis.connections).toBe(2);
  });

  it('whose answer is lost rejects, unless it has an idempotencyKey', async () => {
    const redis = new FakeRedis([closed]);
    const publish = publisherOf(redis);
    const outcomes = await Promise.allSettled([publish('event 1'), publish('event 2', 'k')]);
    expect(outcomes).toMatchObject([
      { status: 'rejected', reason: { code: 'PUBLISH_OUTCOME_UNKNOWN' } },
      { status: 'fulfilled' },
    ]);
    expect(redis.taken).toEqual(['event 2']);
  });

  it('that Redis refuses for good rejects with its words, and the connection stays', async () => {
    const redis = new FakeRedis([reply('OOM command not allowed')]);
    const publish = publisherOf(redis);
    await expect(publish('event 1')).rejects.toMatchObject({
      code: 'BACKPLANE_UNAVAILABLE',
      message: expect.stringContaining('OOM command not allowed'),
    });
    await publish('event 2');
    expect(redis.connections).toBe(1);
  });
});
