import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  jest,
} from '@jest/globals';
import { Logger } from '@nestjs/common';
import { Cluster, Redis } from 'ioredis';
import type { History } from 'nestjs-event-stream';
import { redisBackplane, type RedisBackplaneOptions } from 'nestjs-event-stream/redis';
import { newClient } from '../../src/redis/redis-client.js';
import { LogLines } from '../support/log-lines.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { spawnTethered } from '../support/tethered.js';
import { until } from '../support/until.js';
import { freePort, RedisServer } from './support/redis-server.js';
import { Replica } from './support/replica.js';

describeWith(REDIS_SERVER, "redisBackplane() with the application's client", (path) => {
  let redis: RedisServer;

  beforeAll(async () => {
    redis = await RedisServer.start(path);
  });

  afterAll(() => redis.stop());

  beforeEach(() => {
    Logger.overrideLogger(new LogLines());
  });

  const endings: (() => unknown)[] = [];

  afterEach(async () => {
    for (const end of endings.splice(0).reverse()) await end();
    Logger.overrideLogger(false);
  });

  async function open(
    options: RedisBackplaneOptions,
    history: Partial<History> = {},
  ): Promise<Replica> {
    const replica = await Replica.open(options, history);
    endings.push(() => replica.backplane.close());
    return replica;
  }

  async function startServer(args: readonly string[] = []): Promise<RedisServer> {
    const server = await RedisServer.start(path, args);
    endings.push(() => server.stop());
    return server;
  }

  /** Two nodes, of which the first one has all slots. */
  async function startCluster(): Promise<[RedisServer, RedisServer]> {
    const options = ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'];
    const nodes: [RedisServer, RedisServer] = [
      await startServer(options),
      await startServer(options),
    ];
    const [first, second] = nodes;
    await first.control.call('cluster', 'addslotsrange', 0, 16_383);
    await second.control.call('cluster', 'set-config-epoch', 2);
    await first.control.call('cluster', 'meet', '127.0.0.1', second.port);
    await until('the cluster is up', async () => {
      const infos = await Promise.all(nodes.map(({ control }) => control.cluster('INFO')));
      return infos.every((info) => /cluster_state:ok[^]*known_nodes:2/.test(info));
    });
    return nodes;
  }

  function ending<Client extends Redis | Cluster>(client: Client): Client {
    endings.push(() => client.disconnect());
    client.on('error', () => {});
    return client;
  }

  async function publishAndReceive(options: RedisBackplaneOptions): Promise<void> {
    const [one, two] = [await open(options), await open(options)];
    await one.publish('event', { idempotencyKey: 'a' });
    await two.publish('again', { idempotencyKey: 'a' });
    await two.publish('last');
    for (const replica of [one, two]) {
      await replica.received('last');
      expect(replica.texts).toEqual(['event', 'last']);
    }
  }

  it('hands the settings of a Cluster on, also where ioredis takes the given ones for all (5)', () => {
    const redisOptions = { password: 'secret', connectTimeout: 1_234, lazyConnect: false };
    const client = ending(new Cluster([{ port: 1 }], { lazyConnect: true, redisOptions }));
    const duplicate = jest.spyOn(client, 'duplicate');
    newClient(client, 'read');
    expect(duplicate.mock.calls[0]?.[1]?.redisOptions).toMatchObject({
      ...redisOptions,
      lazyConnect: true,
      connectionName: 'nestjs-event-stream:read',
    });
  });

  it('uses its settings, and leaves the client itself alone', async () => {
    const client = ending(new Redis(redis.port, '127.0.0.1', { db: 3, keyPrefix: 'app:' }));
    await publishAndReceive({ client, key: 'events' });
    expect(await client.ping()).toBe('PONG');
    await redis.control.select(3);
    expect((await redis.control.keys('*')).sort()).toEqual([
      'app:{events}:log',
      'app:{events}:meta',
      'app:{events}:once:a',
    ]);
    await redis.control.select(0);
  });

  it('takes a client that is not connected, or that would wait and time out differently', async () => {
    const client = new Redis(redis.port, '127.0.0.1', {
      lazyConnect: true,
      commandTimeout: 50,
      enableAutoPipelining: true,
      maxRetriesPerRequest: 0,
      stringNumbers: true,
    });
    const replica = await open({ client, key: 'lazy' });
    await new Promise((resolve) => setTimeout(resolve, 200));
    await replica.publish('event');
    await replica.received('event');
    expect(client.status).toBe('wait');
  });

  it('puts all keys of a Cluster into one slot', async () => {
    const node = await startServer([
      ...['--cluster-enabled', 'yes'],
      ...['--cluster-announce-ip', '127.0.0.1'],
    ]);
    await node.control.call('cluster', 'addslotsrange', 0, 16_383);
    await until('the cluster is up', async () =>
      (await node.control.cluster('INFO')).includes('cluster_state:ok'),
    );
    const client = ending(new Cluster([{ host: '127.0.0.1', port: node.port }]));
    await publishAndReceive({ client });
    const topics = ['a', '{b}', '}{c}', 'd{e}'];
    const rules = { maxEvents: 1, topics: [{ match: '**', keepEvents: 1, keepFor: 60_000 }] };
    const { backplane, sink } = await open({ client, key: 'kept' }, rules);
    for (const text of ['lost', 'kept']) {
      const published = topics.map((topic) =>
        backplane.publish({ topics: [topic], text, isJson: false, key: 'k' }),
      );
      await Promise.all(published);
    }
    const range = { after: 0, upTo: 100, maxEvents: 100, maxBytes: 1_000 };
    const page = await backplane.archive?.read({ topics, epoch: sink.epoch, ...range });
    expect(page?.events.map(({ record }) => [record.topics[0], record.text])).toEqual(
      topics.map((topic) => [topic, 'kept']),
    );
    expect(await client.ping()).toBe('PONG');
  });

  it('waits while a Cluster migrates its slot, and loses nothing of what topics keep', async () => {
    const [from, to] = await startCluster();
    const client = ending(new Cluster([{ host: '127.0.0.1', port: from.port }]));
    const rules = { maxEvents: 3, topics: [{ match: 'k', keepEvents: 5 }] };
    const { backplane, sink } = await open({ client, key: 'moving' }, rules);
    const publish = (text: string) => backplane.publish({ topics: ['k'], text, isJson: false });
    for (const text of ['1', '2', '3', '4', '5']) await publish(text);
    const { epoch } = sink;
    // As in any log in which a topic has been kept, and has had nothing for so long.
    await from.control.setbit(`{moving}:forgotten:${epoch}`, 7, 1);
    await publish('6');
    const slot = await from.control.cluster('KEYSLOT', '{moving}');
    const ids = [
      String(await from.control.call('cluster', 'myid')),
      String(await to.control.call('cluster', 'myid')),
    ];
    await to.control.call('cluster', 'setslot', slot, 'importing', ids[0] ?? '');
    await from.control.call('cluster', 'setslot', slot, 'migrating', ids[1] ?? '');
    const migrate = (...keys: string[]) =>
      from.control.call('migrate', '127.0.0.1', to.port, '', 0, 5_000, 'KEYS', ...keys);
    await migrate(`{moving}:topic:${epoch}:k`);
    const publications = ['7', '8'].map(publish);
    await until('it is refused', () => !backplane.health.isConnected);
    await migrate(
      ...((await from.control.call('cluster', 'getkeysinslot', slot, 100)) as string[]),
    );
    for (const node of [to, from])
      await node.control.call('cluster', 'setslot', slot, 'node', ids[1] ?? '');
    await Promise.all(publications);
    const range = { after: 0, upTo: 100, maxEvents: 100, maxBytes: 1_000 };
    const page = await backplane.archive?.read({ topics: ['k'], epoch, ...range });
    expect(page?.events.map(({ record }) => record.text)).toEqual(['4', '5', '6', '7', '8']);
    expect(page?.lost).toBe(3);
  });

  it('follows its Sentinels to the new master, and loses nothing that this one has', async () => {
    const [master, replica] = [await startServer(), await startServer()];
    await replica.control.replicaof('127.0.0.1', master.port);
    await until('the replica follows', async () =>
      (await replica.control.info('replication')).includes('master_link_status:up'),
    );
    const folder = mkdtempSync(join(tmpdir(), 'nes-sentinel-'));
    const port = await freePort();
    const lines = [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${folder}`,
      `sentinel monitor main 127.0.0.1 ${master.port} 1`,
      'sentinel down-after-milliseconds main 300',
    ];
    writeFileSync(join(folder, 'sentinel.conf'), lines.join('\n'));
    const sentinel = spawnTethered(path, [join(folder, 'sentinel.conf'), '--sentinel']);
    endings.push(async () => {
      const exit = once(sentinel, 'exit');
      sentinel.kill('SIGKILL');
      await exit;
      rmSync(folder, { recursive: true });
    });
    const asking = ending(new Redis(port, '127.0.0.1', { retryStrategy: () => 20 }));
    await until('the sentinel knows the replica', async () => {
      const replicas = (await asking.call('sentinel', 'replicas', 'main')) as unknown[];
      return replicas.length === 1;
    });
    const client = new Redis({
      sentinels: [{ host: '127.0.0.1', port }],
      name: 'main',
      lazyConnect: true,
    });
    const one = await open({ client });
    await one.publish('before');
    await one.received('before');
    await until(
      'the replica has it',
      async () => (await replica.control.xlen('{nestjs-event-stream}:log')) === 1,
    );
    await master.kill();
    await until(
      'the replica is the master',
      async () => (await asking.call('sentinel', 'failover', 'main').catch(() => 0)) !== 1,
    );
    await until(
      'publishing works again',
      () =>
        one.publish('after').then(
          () => true,
          () => false,
        ),
      15_000,
    );
    await one.received('after');
    expect(one.losses).toBe(0);
  });
});

describe('redisBackplane()', () => {
  it.each<[what: string, options: unknown, message: RegExp]>([
    ['nothing', undefined, /one with 'url' or 'client'; received neither/],
    ['neither url nor client', {}, /'url' or 'client'; received neither/],
    ['both', { url: 'redis://a', client: new Redis({ lazyConnect: true }) }, /received both/],
    ['an url of something else', { url: 'http://user:secret@a' }, /url has to be such as/],
    [
      'a client that is none',
      { client: {} },
      /client has to be an ioredis client; received an object/,
    ],
    [
      'an unknown option',
      { url: 'redis://a', keys: 'x' },
      /an object with url, client, .*; received 'keys'/,
    ],
    [
      'an empty key',
      { url: 'redis://a', key: '' },
      /key has to be a non-empty string.*received ""/,
    ],
    ['a key with braces', { url: 'redis://a', key: '{a}' }, /without braces; received "{a}"/],
    [
      'no time',
      { url: 'redis://a', publishTimeout: 0 },
      /publishTimeout has to be .* from 1 .*; received 0/,
    ],
    [
      'half a length',
      { url: 'redis://a', maxLen: 0.5 },
      /maxLen has to be a whole number.*; received 0\.5/,
    ],
    [
      'a wait in words',
      { url: 'redis://a', waitForRedis: 'yes' },
      /waitForRedis has to be .*; received "y/,
    ],
  ])('refuses %s', (_, options, message) => {
    const refused = () => redisBackplane(options as RedisBackplaneOptions);
    expect(refused).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }));
    expect(refused).toThrow(message);
    expect(refused).not.toThrow(/secret/);
  });
});
