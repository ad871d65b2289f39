import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as elapse } from 'node:timers/promises';
import { Proxy } from '../redis/support/proxy.js';
import { RedisServer } from '../redis/support/redis-server.js';
import { LogLines } from '../support/log-lines.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { buildInstance, Fleet, type FleetOptions } from './fleet.js';
import { PresenceJudge } from './presence-judge.js';
import { redisFaults, sqliteFaults, type StoreFaults } from './presence-faults.js';
import { Random } from './random.js';
import { Visitor } from './visitor.js';
import { Window } from './window.js';

/** `npm run chaos` sets more. */
const SECONDS = Number(process.env['CHAOS_SECONDS'] ?? 6) / 2;
const SEED = Number(process.env['CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const ENOUGH_LOOKS = 100;
/** Seconds. */
const LONGEST_EXTRA = 60;
const OWNERS = ['ada', 'bob', 'cleo', 'dan', 'eve', 'finn', 'gil', 'hal'];
const COUNTS = { all: 3, children: 1 };
const WINDOWS = 4;
/**
 * Instances believe each other for 0.7 of the lease, and say that they are there in thirds of that: one that the log does
 * not answer for longer than such a third, its `patience`, may take nobody for dead, and believes all anew afterwards.
 */
const PROMISE = { lease: 3_000, grace: 1_500, missing: 1_000, slack: 500, patience: 700 };
const ABSENCE = PROMISE.lease + 1_500;
/** Milliseconds that an instance stands still: it is taken for dead. */
const FREEZE = PROMISE.lease + 1_000;

/** Instances, visitors who come and go, and windows that show who is there. */
class House {
  readonly visitors: readonly Visitor[];
  readonly windows: readonly Window[];
  readonly judge: PresenceJudge;
  readonly happened: string[] = [];
  readonly #fleet: Fleet;
  readonly #random: Random;
  readonly #faults: StoreFaults;
  readonly #looking: NodeJS.Timeout;
  readonly #asking: Promise<void>;
  #isOver = false;

  constructor(fleet: Fleet, random: Random, faults: StoreFaults) {
    this.#fleet = fleet;
    this.#random = random;
    this.#faults = faults;
    this.visitors = OWNERS.map((owner) => new Visitor(owner, fleet, random.fork(), ABSENCE));
    this.judge = new PresenceJudge(this.visitors, PROMISE);
    this.windows = Array.from(
      { length: WINDOWS },
      () => new Window(fleet, random.fork(), (owner) => this.judge.onLeave(owner)),
    );
    for (const each of [...this.visitors, ...this.windows]) each.start();
    this.#looking = setInterval(() => this.judge.look(this.windows), 50);
    this.#asking = this.#ask();
  }

  /** As long as is asked for, and on a machine that holds everything up until enough of it was judged. */
  async suffer(): Promise<void> {
    const random = this.#random;
    const begin = performance.now();
    const hasSeenEnough = (seconds: number) =>
      seconds > SECONDS && (this.judge.looks > ENOUGH_LOOKS || seconds > SECONDS + LONGEST_EXTRA);
    while (!hasSeenEnough((performance.now() - begin) / 1_000)) {
      await elapse(random.between(200, 2_000));
      const fault =
        random.pick(['kill', 'replace', 'disconnect', 'silence', 'long silence', 'freeze']) ?? '';
      this.happened.push(fault);
      if (fault === 'kill') await this.#fleet.kill();
      else if (fault === 'replace') await this.#fleet.replace(random.between(1, COUNTS.all - 1));
      else if (fault === 'disconnect') await this.#faults.disconnect(random);
      else if (fault === 'freeze') await this.#freeze();
      else await this.#beSilent(fault === 'silence' ? 1_000 : FREEZE);
    }
  }

  async end(): Promise<void> {
    clearInterval(this.#looking);
    this.#isOver = true;
    await Promise.all([...this.visitors, ...this.windows].map((each) => each.stop()));
    await this.#asking;
  }

  /** Has instances that are not killed write to the log, so that it is known when it does not answer. */
  async #ask(): Promise<void> {
    for (let turn = 0; !this.#isOver; turn++) {
      const index = COUNTS.children + (turn % (COUNTS.all - COUNTS.children));
      const url = this.#fleet.urlOf(index);
      if (url !== undefined) await this.judge.ask(() => publish(url));
      await elapse(100);
    }
  }

  #beSilent(most: number): Promise<void> {
    const milliseconds = this.#random.between(100, most);
    return this.judge.duringSilence(() => this.#faults.silence(milliseconds));
  }

  #freeze(): Promise<void> {
    const abandon = (url: string) => {
      for (const each of [...this.visitors, ...this.windows]) each.abandon(url);
    };
    return this.#fleet.freeze(FREEZE, this.#faults.stop, abandon);
  }
}

/** Resolves when it is known what became of it. */
async function publish(url: string): Promise<void> {
  const body = JSON.stringify({ topics: ['asked'], text: '' });
  const headers = { 'content-type': 'application/json' };
  await fetch(`${url}/publish`, { method: 'POST', headers, body }).catch(() => {});
}

describe(`who is there, in chaos, with CHAOS_SEED=${SEED}`, () => {
  let built: Awaited<ReturnType<typeof buildInstance>>;

  beforeAll(async () => {
    built = await buildInstance();
  }, 60_000);

  afterAll(() => built.remove());

  beforeEach(() => {
    Logger.overrideLogger(new LogLines());
  });

  async function live(options: FleetOptions, faults: StoreFaults): Promise<void> {
    const fleet = await Fleet.start(options, COUNTS, built.folder);
    const house = new House(fleet, new Random(SEED), faults);
    const { visitors, windows, judge, happened } = house;
    try {
      await house.suffer();
      await Promise.all(visitors.map((visitor) => visitor.stop()));
      const isEmpty = () => windows.every(({ model }) => model.owners.size === 0);
      await until('nobody is shown', isEmpty, 20_000);
    } finally {
      await house.end();
      await fleet.stop();
    }
    const all = [...judge.faults, ...windows.flatMap((window) => window.faults)];
    if (SECONDS > 30) {
      const { looks, leaves } = judge;
      process.stderr.write(
        `presence: ${happened.length} faults, ${looks} looks, ${leaves} leaves told\n`,
      );
    }
    expect({ seed: SEED, faults: all, happened: all.length > 0 ? happened : [] }).toEqual({
      seed: SEED,
      faults: [],
      happened: [],
    });
    expect(judge.looks).toBeGreaterThan(ENOUGH_LOOKS);
  }

  const { grace, lease } = PROMISE;
  const options = { maxEvents: 500, presence: { grace, lease } };

  describeWith(REDIS_SERVER, 'of instances that share a Redis', (redisPath) => {
    it(
      'is shown within a second, and not longer than the lease',
      async () => {
        const redis = await RedisServer.start(redisPath);
        const proxy = await Proxy.start(redis.port);
        const each = { ...options, url: proxy.url };
        try {
          await live({ here: each, child: each }, redisFaults(redis, proxy));
        } finally {
          await proxy.stop();
          await redis.stop();
        }
      },
      (SECONDS + LONGEST_EXTRA) * 1_000 + 90_000,
    );
  });

  it(
    'is shown within a second, and not longer than the lease, by processes that share a file',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'sqlite-chaos-'));
      const path = join(folder, 'events.db');
      const each = { ...options, path, durability: 'process' } as const;
      try {
        await live({ here: each, child: each }, sqliteFaults(path));
      } finally {
        await rm(folder, { recursive: true, force: true, maxRetries: 5 });
      }
    },
    (SECONDS + LONGEST_EXTRA) * 1_000 + 90_000,
  );
});
