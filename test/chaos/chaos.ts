import { setTimeout as elapse } from 'node:timers/promises';
import { Proxy } from '../redis/support/proxy.js';
import { RedisServer } from '../redis/support/redis-server.js';
import { until } from '../support/until.js';
import { ChaosClient } from './client.js';
import { Fleet } from './fleet.js';
import { Publisher } from './publisher.js';
import { Random } from './random.js';
import { judge, type Verdict } from './verdict.js';

/** What may happen: each name is a fault. */
export type Fault =
  | 'kill connections'
  | 'pause Redis'
  | 'cut the network'
  | 'kill an instance'
  | 'replace an instance'
  | 'pause an instance'
  | 'flush Redis'
  | 'flush Redis unheard'
  | 'restart Redis empty';

export interface Scenario {
  readonly instances: number;
  readonly faults: readonly Fault[];
  /** Events that Redis and the instances keep. */
  readonly maxEvents: number;
  /** Milliseconds that a client stays away now and then. */
  readonly absence: number;
}

export interface Outcome extends Verdict {
  readonly acknowledged: number;
  readonly received: number;
  readonly happened: ReadonlyMap<Fault, number>;
}

const TOPICS = ['all', 'even', 'odd'];
const CLIENTS_PER_TOPIC = 4;

/** Lets faults happen for a while, then lets everything settle, and judges what every client received. */
export async function chaos(
  scenario: Scenario,
  run: {
    readonly milliseconds: number;
    readonly seed: number;
    readonly redisPath: string;
    readonly folder: string;
  },
): Promise<Outcome> {
  const random = new Random(run.seed);
  const redis = await RedisServer.start(run.redisPath);
  const [proxy, childProxy] = [await Proxy.start(redis.port), await Proxy.start(redis.port)];
  const { instances, maxEvents, absence } = scenario;
  const counts = { all: instances, children: 1 };
  const urls = { url: proxy.url, childUrl: childProxy.url };
  const fleet = await Fleet.start({ ...urls, maxEvents }, counts, run.folder);
  const clients = Array.from(
    { length: TOPICS.length * CLIENTS_PER_TOPIC },
    (_, index) =>
      new ChaosClient(TOPICS[index % TOPICS.length] ?? '', fleet, random.fork(), absence),
  );
  const isLossless = !scenario.faults.includes('flush Redis');
  const publishers = Array.from(
    { length: instances },
    (_, index) => new Publisher(index, fleet, random.fork(), isLossless),
  );
  const happened = new Map<Fault, number>();
  try {
    for (const client of clients) client.start();
    await until('all clients have begun', () => clients.every(({ hasBegun }) => hasBegun), 20_000);
    for (const publisher of publishers) publisher.start();
    const end = performance.now() + run.milliseconds;
    while (performance.now() < end) {
      const fault = random.pick(scenario.faults);
      if (fault === undefined) break;
      await cause(fault, { redis, proxies: [childProxy, proxy], fleet, random });
      happened.set(fault, (happened.get(fault) ?? 0) + 1);
      await elapse(random.between(50, 500));
    }
    await Promise.all(publishers.map((publisher) => publisher.stop()));
    const last = await publishers[0]?.insist(TOPICS, 'the last event');
    await until(
      `all clients have the last event, ${last}`,
      () => clients.every((client) => client.has('the last event')),
      20_000,
    );
  } finally {
    await Promise.all(publishers.map((publisher) => publisher.stop()));
    await Promise.all(clients.map((client) => client.stop()));
    await fleet.stop();
    await Promise.all([proxy, childProxy].map((each) => each.stop()));
    await redis.stop();
  }
  const acknowledged = publishers.flatMap((publisher) => publisher.acknowledged);
  const records = clients.map(({ record }) => record);
  return {
    ...judge(records, acknowledged),
    acknowledged: acknowledged.length,
    received: records.reduce((sum, { items }) => sum + items.length, 0),
    happened,
  };
}

async function cause(
  fault: Fault,
  {
    redis,
    proxies,
    fleet,
    random,
  }: {
    redis: RedisServer;
    /** The first is the children's. */
    proxies: readonly Proxy[];
    fleet: Fleet;
    random: Random;
  },
): Promise<void> {
  const [childProxy] = proxies;
  switch (fault) {
    case 'kill connections':
      for (let times = random.between(1, 5); times > 0; times--) {
        await redis.killClients(random.pick([':read', ':publish']) ?? '');
      }
      break;
    case 'pause Redis':
      redis.pause();
      // Up to more than publishers have patience for.
      await elapse(random.between(50, 2_000));
      redis.resume();
      break;
    case 'cut the network':
      // What Redis does meanwhile, nobody hears of.
      for (const proxy of proxies) proxy.deafen('');
      await elapse(random.between(0, 100));
      for (const proxy of proxies) proxy.cut();
      await elapse(random.between(0, 500));
      for (const proxy of proxies) proxy.mend();
      break;
    case 'kill an instance':
      await fleet.kill();
      break;
    case 'replace an instance':
      await fleet.replace(random.between(1, fleet.urls.length - 1));
      break;
    case 'pause an instance': {
      const { child } = fleet;
      child?.kill('SIGSTOP');
      await elapse(random.between(500, 1_500));
      child?.kill('SIGCONT');
      break;
    }
    case 'flush Redis':
      await redis.control.flushall();
      break;
    case 'flush Redis unheard':
      // The child goes on serving the log that is gone.
      childProxy?.deafen('');
      await redis.control.flushall();
      await elapse(random.between(300, 900));
      childProxy?.cut();
      childProxy?.mend();
      break;
    case 'restart Redis empty':
      await redis.kill();
      await elapse(random.between(0, 300));
      await redis.start();
  }
}
