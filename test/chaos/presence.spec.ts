import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { setTimeout as elapse } from 'node:timers/promises';
import { RedisServer } from '../redis/support/redis-server.js';
import { LogLines } from '../support/log-lines.js';
import { describeWith, REDIS_SERVER } from '../support/programs.js';
import { until } from '../support/until.js';
import { buildInstance, Fleet } from './fleet.js';
import { Random } from './random.js';
import { Visitor } from './visitor.js';
import { Window } from './window.js';

/** `npm run chaos` sets more. */
const SECONDS = Number(process.env['CHAOS_SECONDS'] ?? 12) / 2;
const SEED = Number(process.env['CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const OWNERS = ['ada', 'bob', 'cleo', 'dan', 'eve', 'finn', 'gil', 'hal'];
const INSTANCES = 3;
const WINDOWS = 4;

/** Milliseconds. */
const LEASE = 3_000;
const GRACE = 1_500;
/** Who has an open connection is listed. */
const MISSING = 1_000;
/** What a busy machine may add. */
const SLACK = 500;
const ABSENCE = LEASE + 1_500;

/** Looks again and again whether what the windows show is so. */
class Judge {
  readonly faults: string[] = [];
  /** How often somebody had to be shown, or not to be. */
  looks = 0;
  leaves = 0;
  readonly #visitors: readonly Visitor[];
  #lookedAt = performance.now();

  constructor(visitors: readonly Visitor[]) {
    this.#visitors = visitors;
  }

  look(windows: readonly Window[]): void {
    const now = performance.now();
    // Whoever judges late knows nothing.
    const isLate = now - this.#lookedAt > 250;
    this.#lookedAt = now;
    if (isLate) return;
    for (const [number, { model, openSince }] of windows.entries()) {
      if (openSince === undefined || now - openSince < MISSING + SLACK) continue;
      for (const visitor of this.#visitors) this.#lookFor(visitor, now, number, model.owners);
    }
  }

  /** Nobody leaves who is there, or was a moment ago. */
  onLeave(owner: string): void {
    this.leaves++;
    const visitor = this.#visitors.find((each) => each.owner === owner);
    const now = performance.now();
    const awayFor = visitor === undefined ? 0 : now - visitor.openUntil;
    const isThere = visitor?.openSince !== undefined && now - visitor.openSince > MISSING + SLACK;
    if (isThere) this.faults.push(`${owner} leaves and is there`);
    if (visitor?.openSince === undefined && awayFor < GRACE - SLACK) {
      this.faults.push(`${owner} leaves after ${Math.round(awayFor)} ms`);
    }
  }

  #lookFor(visitor: Visitor, now: number, number: number, shown: ReadonlySet<string>): void {
    const { owner, openSince, openUntil } = visitor;
    const isShown = shown.has(owner);
    if (openSince !== undefined && now - openSince > MISSING + SLACK) {
      this.looks++;
      if (!isShown)
        this.faults.push(`window ${number} misses ${owner}, there since ${now - openSince} ms`);
    }
    if (openSince === undefined && now - openUntil > LEASE + SLACK) {
      this.looks++;
      if (isShown)
        this.faults.push(`window ${number} shows ${owner}, away for ${now - openUntil} ms`);
    }
  }
}

describeWith(REDIS_SERVER, `who is there, in chaos, with CHAOS_SEED=${SEED}`, (redisPath) => {
  let built: Awaited<ReturnType<typeof buildInstance>>;

  beforeAll(async () => {
    built = await buildInstance();
  });

  afterAll(() => built.remove());

  beforeEach(() => {
    Logger.overrideLogger(new LogLines());
  });

  it(
    'is shown within a second, and not longer than the lease, while instances are killed and replaced',
    async () => {
      const random = new Random(SEED);
      const redis = await RedisServer.start(redisPath);
      const presence = { grace: GRACE, lease: LEASE };
      const options = { url: redis.url, childUrl: redis.url, maxEvents: 500, presence };
      const fleet = await Fleet.start(options, { all: INSTANCES, children: 1 }, built.folder);
      const visitors = OWNERS.map((owner) => new Visitor(owner, fleet, random.fork(), ABSENCE));
      const judge = new Judge(visitors);
      const windows = Array.from(
        { length: WINDOWS },
        () => new Window(fleet, random.fork(), (owner) => judge.onLeave(owner)),
      );
      const looking = setInterval(() => judge.look(windows), 50);
      const happened: string[] = [];
      try {
        for (const each of [...visitors, ...windows]) each.start();
        const end = performance.now() + SECONDS * 1_000;
        while (performance.now() < end) {
          await elapse(random.between(200, 2_000));
          const fault = random.pick(['kill', 'replace', 'connections']) ?? '';
          happened.push(fault);
          if (fault === 'kill') await fleet.kill();
          else if (fault === 'replace') await fleet.replace(random.between(1, INSTANCES - 1));
          else await redis.killClients(random.pick([':read', ':publish']) ?? '');
        }
        await Promise.all(visitors.map((visitor) => visitor.stop()));
        await until(
          'nobody is shown',
          () => windows.every(({ model }) => model.owners.size === 0),
          20_000,
        );
      } finally {
        clearInterval(looking);
        await Promise.all([...visitors, ...windows].map((each) => each.stop()));
        await fleet.stop();
        await redis.stop();
      }
      const faults = [...judge.faults, ...windows.flatMap((window) => window.faults)];
      if (SECONDS > 30) {
        const { looks, leaves } = judge;
        process.stderr.write(
          `presence: ${happened.length} faults, ${looks} looks, ${leaves} leaves told\n`,
        );
      }
      expect({ seed: SEED, faults }).toEqual({ seed: SEED, faults: [] });
      expect(judge.looks).toBeGreaterThan(100);
    },
    SECONDS * 1_000 + 90_000,
  );
});
