import { setTimeout as elapse } from 'node:timers/promises';
import { Proxy } from '../redis/support/proxy.js';
import { RedisServer } from '../redis/support/redis-server.js';
import { until } from '../support/until.js';
import { ChaosClient } from './client.js';
import { Closer } from './closer.js';
import { Fleet } from './fleet.js';
import { PER_OWNER } from './instance.js';
import { LimitWatch } from './limit-watch.js';
import { Member } from './member.js';
import { judgeOrders, type Visit } from './orders-verdict.js';
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
  | 'join an instance'
  | 'pause an instance'
  | 'flush Redis'
  | 'flush Redis unheard'
  | 'restart Redis empty';

export interface Scenario {
  readonly instances: number;
  readonly faults: readonly Fault[];
  /** Events that Redis and the instances keep. */
  readonly maxEvents: number;
  /** Topics of which is kept all that has left the tail, so that only a log that is gone is a gap. */
  readonly kept: readonly string[];
  /** What clients read: some topics each. */
  readonly lanes: readonly (readonly string[])[];
  /** Milliseconds that a client stays away now and then. */
  readonly absence: number;
}

export interface Outcome extends Verdict {
  readonly acknowledged: number;
  readonly received: number;
  /** Orders to close that were acknowledged, and streams of owners that were opened. */
  readonly orders: number;
  readonly visits: number;
  readonly happened: ReadonlyMap<Fault, number>;
}

const TOPICS = ['all', 'even', 'odd'];
const CLIENTS_PER_LANE = 4;
/** The state of the log, by the default key. */
const META = '{nestjs-event-stream}:meta';
const OWNERS = ['ada', 'grace'];
/** More than they may have. */
const TABS_PER_OWNER = PER_OWNER + 2;
/** How often nothing happens for so long, in milliseconds, that limits have to hold. */
const CALM = { share: 0.1, time: 2_500 };

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
  const { instances, maxEvents, kept, lanes, absence } = scenario;
  const counts = { all: instances, children: 1 };
  const options = {
    here: { url: proxy.url, maxEvents, kept },
    child: { url: childProxy.url, maxEvents, kept },
  };
  const fleet = await Fleet.start(options, counts, run.folder);
  const clients = Array.from(
    { length: lanes.length * CLIENTS_PER_LANE },
    (_, index) =>
      new ChaosClient(
        lanes[index % lanes.length] ?? [],
        fleet,
        random.fork(),
        absence,
        index % 2 === 0 ? 'topics' : 'mapped',
      ),
  );
  const isLossless = !scenario.faults.includes('flush Redis');
  const publishers = Array.from(
    { length: instances },
    (_, index) => new Publisher(index, fleet, random.fork(), isLossless),
  );
  const owners = new Owners(fleet, random);
  const happened = new Map<Fault, number>();
  const goneAt = new Map<string, number>();
  try {
    for (const client of clients) client.start();
    await until('all clients have begun', () => clients.every(({ hasBegun }) => hasBegun), 20_000);
    for (const publisher of publishers) publisher.start();
    owners.start();
    const end = performance.now() + run.milliseconds;
    while (performance.now() < end) {
      const fault = random.pick(scenario.faults);
      if (fault === undefined) break;
      await owners.watch.during(
        cause(fault, { redis, proxies: [childProxy, proxy], fleet, random, goneAt }),
      );
      happened.set(fault, (happened.get(fault) ?? 0) + 1);
      await elapse(random.next() < CALM.share ? CALM.time : random.between(50, 500));
    }
    await Promise.all(publishers.map((publisher) => publisher.stop()));
    const last = await publishers[0]?.insist(TOPICS, 'the last event');
    if (kept.length > 0) {
      const late = lanes.map(
        (topics) => new ChaosClient(topics, fleet, random.fork(), absence, 'whole'),
      );
      for (const client of late) client.start();
      clients.push(...late);
    }
    await until(
      `all clients have the last event, ${last}`,
      () => clients.every((client) => client.has('the last event')),
      20_000,
    );
    await owners.settle();
  } finally {
    await Promise.all(publishers.map((publisher) => publisher.stop()));
    await Promise.all(clients.map((client) => client.stop()));
    await owners.stop();
    await fleet.stop();
    await Promise.all([proxy, childProxy].map((each) => each.stop()));
    await redis.stop();
  }
  const acknowledged = publishers.flatMap((publisher) => publisher.acknowledged);
  const records = clients.map(({ record }) => record);
  const begunAt = new Map(publishers.flatMap((publisher) => [...publisher.begunAt]));
  const verdict = judge(records, acknowledged, { topics: kept, goneAt });
  return {
    ...verdict,
    faults: [...verdict.faults, ...owners.faults(begunAt)],
    acknowledged: acknowledged.length,
    received: records.reduce((sum, { items }) => sum + items.length, 0),
    orders: owners.orders,
    visits: owners.visits.length,
    happened,
  };
}

/** People with more tabs than they may have, who are signed out now and then. */
class Owners {
  readonly watch: LimitWatch;
  readonly #members: readonly Member[];
  readonly #closer: Closer;
  #ended: readonly Visit[] = [];

  constructor(fleet: Fleet, random: Random) {
    this.watch = new LimitWatch(fleet, PER_OWNER);
    this.#members = OWNERS.flatMap((owner) =>
      Array.from({ length: TABS_PER_OWNER }, () => new Member(owner, fleet, random.fork())),
    );
    this.#closer = new Closer(OWNERS, fleet, random.fork());
  }

  get orders(): number {
    return this.#closer.orders.length;
  }

  get visits(): readonly Visit[] {
    return this.#members.flatMap(({ visits }) => visits);
  }

  start(): void {
    this.watch.start();
    for (const member of this.#members) member.start();
    this.#closer.start();
  }

  /** When nobody is signed out any more, all have as many as they may have, and no more. */
  async settle(): Promise<void> {
    await this.#closer.stop();
    await until(
      'each owner has as many streams as are allowed',
      () => this.watch.areFull(OWNERS),
      10_000,
    ).catch((error: unknown) => this.watch.faults.push(`${String(error)}: ${this.watch.text}`));
  }

  async stop(): Promise<void> {
    await this.#closer.stop();
    await this.watch.stop();
    // What ends because its client leaves has not been ended by an order.
    this.#ended = this.visits.map((visit) => ({ ...visit }));
    await Promise.all(this.#members.map((member) => member.stop()));
  }

  faults(begunAt: ReadonlyMap<string, number>): string[] {
    return [...this.watch.faults, ...judgeOrders(this.#closer.orders, this.#ended, begunAt)];
  }
}

async function cause(
  fault: Fault,
  {
    redis,
    proxies,
    fleet,
    random,
    goneAt,
  }: {
    redis: RedisServer;
    /** The first is the children's. */
    proxies: readonly Proxy[];
    fleet: Fleet;
    random: Random;
    /** Of each log that is taken away, since when it may be gone. */
    goneAt: Map<string, number>;
  },
): Promise<void> {
  const [childProxy] = proxies;
  const goesAway = async () => {
    const epoch = await redis.control.hget(META, 'e');
    if (epoch !== null && !goneAt.has(epoch)) goneAt.set(epoch, performance.now());
  };
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
    case 'join an instance':
      await fleet.join();
      await elapse(random.between(100, 1_000));
      await fleet.leave();
      break;
    case 'pause an instance': {
      const { child } = fleet;
      child?.kill('SIGSTOP');
      await elapse(random.between(500, 1_500));
      child?.kill('SIGCONT');
      break;
    }
    case 'flush Redis':
      await goesAway();
      await redis.control.flushall();
      break;
    case 'flush Redis unheard':
      // The child goes on serving the log that is gone.
      childProxy?.deafen('');
      await goesAway();
      await redis.control.flushall();
      await elapse(random.between(300, 900));
      childProxy?.cut();
      childProxy?.mend();
      break;
    case 'restart Redis empty':
      await goesAway();
      await redis.kill();
      await elapse(random.between(0, 300));
      await redis.start();
  }
}
