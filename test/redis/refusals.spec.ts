import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { SseError } from 'nestjs-event-stream';
import { adviceFor } from '../../src/redis/refusals.js';
import { LogLines } from '../support/log-lines.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { RedisServer } from './support/redis-server.js';
import { Replica } from './support/replica.js';

describeWith(REDIS_SERVER, 'a Redis that refuses something', (path) => {
  let redis: RedisServer;
  let lines: LogLines;
  let replica: Replica;

  beforeEach(async () => {
    lines = new LogLines();
    Logger.overrideLogger(lines);
    redis = await RedisServer.start(path);
    replica = await Replica.open({ url: redis.url, key: 'k' });
  });

  afterEach(async () => {
    await replica.backplane.close();
    await redis.stop();
    Logger.overrideLogger(false);
  });

  async function outcomeOf(publish: Promise<string>): Promise<string> {
    return publish.then(
      () => 'published',
      (error: unknown) => (error instanceof SseError ? error.code : String(error)),
    );
  }

  it.each(['set', 'xadd', 'hset', 'get', 'hmget'])(
    'says so for %s, and then has not published',
    async (command) => {
      await redis.control.acl('SETUSER', 'default', `-${command}`);
      const outcome = await outcomeOf(replica.publish('refused', { idempotencyKey: 'one' }));
      expect(outcome).toBe('BACKPLANE_UNAVAILABLE');
      await redis.control.acl('SETUSER', 'default', '+@all');
      await replica.publish('refused', { idempotencyKey: 'one' });
      await replica.publish('after');
      await replica.received('after');
      expect(replica.texts).toEqual(['refused', 'after']);
      expect(replica.losses).toBe(0);
    },
  );

  it('refuses those that it cannot name, and takes the others of the batch', async () => {
    await redis.control.acl('SETUSER', 'default', '-set');
    const outcomes = await Promise.all([
      outcomeOf(replica.publish('one')),
      outcomeOf(replica.publish('two', { idempotencyKey: 'two' })),
      outcomeOf(replica.publish('three')),
    ]);
    expect(outcomes).toEqual(['published', 'BACKPLANE_UNAVAILABLE', 'published']);
    await replica.received('three');
    expect(replica.texts).toEqual(['one', 'three']);
  });

  it('has published what it only cannot trim, and that is one line', async () => {
    await redis.control.acl('SETUSER', 'default', '-xtrim');
    for (const text of ['one', 'two', 'three']) {
      expect(await outcomeOf(replica.publish(text))).toBe('published');
    }
    await replica.received('three');
    expect(lines.find('warn', 'does not trim')).toHaveLength(1);
    await redis.control.acl('SETUSER', 'default', '+@all');
    await replica.publish('four');
    expect(lines.find('log', 'trims the log again')).toHaveLength(1);
  });

  async function refusedReads(): Promise<number> {
    const stats = await redis.control.info('commandstats');
    return Number(/cmdstat_xread:.*rejected_calls=(\d+)/.exec(stats)?.[1] ?? 0);
  }

  it('is one line for the outage and one for the reason when it is reading that it refuses, and tried less and less often', async () => {
    await redis.control.acl('SETUSER', 'default', '-xread');
    await redis.killClients(':read');
    await until('a read is refused', async () => (await refusedReads()) > 0);
    const since = performance.now();
    await until('four are', async () => (await refusedReads()) > 3);
    // The waits are 50, 100 and 200 ms, and at least half of that.
    expect(performance.now() - since).toBeGreaterThan(150);
    expect(lines.find('warn', 'is out of reach')).toHaveLength(1);
    expect(replica.backplane.health.isConnected).toBe(false);
    await redis.control.acl('SETUSER', 'default', '+@all');
    await replica.publish('after');
    await replica.received('after');
    await until('it is back', () => replica.backplane.health.isConnected);
    expect(lines.find('log', 'is back')).toHaveLength(1);
    expect(lines.find('warn', 'Its user needs the commands and keys')).toHaveLength(1);
    expect(lines.lines.filter(({ level }) => level !== 'debug')).toHaveLength(3);
  });

  it('is one line when it has become a replica', async () => {
    const master = await RedisServer.start(path);
    await redis.control.replicaof('127.0.0.1', master.port);
    const published = replica.publish('by a replica').catch((error: unknown) => error);
    await until('it is noticed', () => !replica.backplane.health.isConnected);
    expect(await published).toMatchObject({ code: 'BACKPLANE_UNAVAILABLE' });
    expect(lines.find('warn', 'is out of reach')).toHaveLength(1);
    await redis.control.replicaof('NO', 'ONE');
    await until('it is back', () => replica.backplane.health.isConnected);
    expect(lines.find('warn', 'is out of reach')).toHaveLength(1);
    expect(lines.find('log', 'is back')).toHaveLength(1);
    await replica.publish('after');
    await replica.received('after');
    await master.stop();
  });

  const told = (text: string) => lines.find('warn', text);

  /** Says it once, is not ready meanwhile, and is again by itself. */
  async function isToldUntilMended(said: RegExp, mend: () => Promise<unknown>): Promise<void> {
    await until('it is noticed', () => !replica.backplane.health.isConnected);
    await until('it is told', () => told('refuses what it is asked for').length > 0);
    expect(told('refuses what it is asked for')).toEqual([expect.stringMatching(said)]);
    await mend();
    await until('it is back', () => replica.backplane.health.isConnected);
    await replica.publish('after');
    await replica.received('after');
    expect(told('refuses what it is asked for')).toHaveLength(1);
    expect(lines.find('log', 'is back')).toHaveLength(1);
    expect(replica.losses).toBe(0);
  }

  it.each(['hset', 'xadd', 'evalsha'])(
    'is told until its user may publish again: %s',
    async (command) => {
      await redis.control.acl('SETUSER', 'default', `-${command}`);
      const refused = replica.publish('refused');
      await expect(refused).rejects.toMatchObject({ code: 'BACKPLANE_UNAVAILABLE' });
      await expect(refused).rejects.toThrow('docs/scaling.md');
      await isToldUntilMended(/its user needs.*docs\/scaling\.md/i, () =>
        redis.control.acl('SETUSER', 'default', '+@all'),
      );
    },
  );

  it('is told until it has memory again', async () => {
    await redis.control.config('SET', 'maxmemory', 1);
    const refused = replica.publish('refused');
    await expect(refused).rejects.toMatchObject({ code: 'BACKPLANE_UNAVAILABLE' });
    await expect(refused).rejects.toThrow(/OOM.*maxmemory/);
    await isToldUntilMended(/OOM.*maxmemory/, () => redis.control.config('SET', 'maxmemory', 0));
  });

  it('is told until a script ends that is not of this package', async () => {
    await redis.control.config('SET', 'lua-time-limit', 20);
    const other = redis.control.duplicate();
    const script = other.eval('while true do end', 0).catch(String);
    const isBusy = () =>
      redis.control.ping().then(
        () => false,
        () => true,
      );
    await until('it runs', isBusy);
    const refused = replica.publish('refused');
    await expect(refused).rejects.toMatchObject({ code: 'BACKPLANE_UNAVAILABLE' });
    await expect(refused).rejects.toThrow(/BUSY.*SCRIPT KILL/);
    await isToldUntilMended(/BUSY.*SCRIPT KILL/, () => redis.control.script('KILL'));
    expect(await script).toContain('killed');
    other.disconnect();
  });

  it('is told until it lets itself be connected to', async () => {
    await redis.control.config('SET', 'requirepass', 'secret');
    await redis.killClients(':publish');
    await isToldUntilMended(/NOAUTH.*password/, () =>
      redis.control.config('SET', 'requirepass', ''),
    );
  });

  it('says which of them it was that a publish waited for in vain', async () => {
    const master = await RedisServer.start(path);
    await redis.control.replicaof('127.0.0.1', master.port);
    await expect(replica.publish('by a replica')).rejects.toThrow(/READONLY.*primary/);
    await redis.control.replicaof('NO', 'ONE');
    await master.stop();
  });

  it('does not let an application start that could not read', async () => {
    await redis.control.acl('SETUSER', 'default', '-xread');
    await expect(Replica.open({ url: redis.url, key: 'k' })).rejects.toMatchObject({
      code: 'BACKPLANE_UNAVAILABLE',
      message: expect.stringContaining('xread'),
    });
  });

  it.each([
    [['--rename-command', 'XREAD', ''], /unknown command.*docs\/scaling\.md lists/i],
    [['--rename-command', 'EVALSHA', ''], /unknown command.*docs\/scaling\.md lists/i],
    [['--cluster-enabled', 'yes'], /MOVED|CLUSTERDOWN/],
  ])('says what is the matter with a server of %j', async (args, message) => {
    const server = await RedisServer.start(path, args);
    try {
      const opening = Replica.open({ url: server.url, key: 'k' });
      await expect(opening).rejects.toThrow(message);
    } finally {
      await server.stop();
    }
  });

  it.each([
    ['MOVED 5215 127.0.0.1:7001', 'new Cluster'],
    ['Failed to refresh slots cache.', 'user and password'],
    ['ERR Unknown Redis command called from script', 'scaling.md'],
    ['ERR max number of clients reached', 'maxclients'],
  ])('knows what to do about %s', (said, advice) => {
    expect(adviceFor(said)).toContain(advice);
  });
});
