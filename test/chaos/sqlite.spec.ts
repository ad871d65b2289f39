import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as elapse } from 'node:timers/promises';
import type { Durability } from 'nestjs-event-stream/sqlite';
import { until } from '../support/until.js';
import { ChaosClient } from './client.js';
import { buildInstance, type Instance, startChild } from './fleet.js';
import type { Instances } from './instances.js';
import { Publisher } from './publisher.js';
import { Random } from './random.js';
import { judge } from './verdict.js';

/** How often an instance is killed. `npm run chaos` sets more. */
const ROUNDS = Number(process.env['CHAOS_ROUNDS'] ?? 2);
const SEED = Number(process.env['CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const TOPICS = ['all', 'even', 'odd'];

/** Two processes that share a file. */
class Pair implements Instances {
  readonly #instances: (Instance | undefined)[] = [];
  readonly #folder: string;
  readonly #path: string;
  readonly #durability: Durability;
  readonly #areKept: boolean;

  /** @param areKept whether clients read what has left the tail, which is short */
  constructor(folder: string, path: string, durability: Durability, areKept: boolean) {
    this.#folder = folder;
    this.#path = path;
    this.#durability = durability;
    this.#areKept = areKept;
  }

  get urls(): readonly string[] {
    return this.#instances.flatMap((instance) => instance?.url ?? []);
  }

  urlOf(index: number): string | undefined {
    return this.#instances[index]?.url;
  }

  async start(index: number): Promise<void> {
    this.#instances[index] = await startChild(this.#folder, {
      path: this.#path,
      durability: this.#durability,
      maxEvents: this.#areKept ? 40 : 50_000,
      kept: this.#areKept ? TOPICS : [],
    });
  }

  /** As `kill -9` does. */
  async kill(index: number): Promise<void> {
    const instance = this.#instances[index];
    this.#instances[index] = undefined;
    await instance?.close();
  }
}

describe(`two processes on one file, killed ${ROUNDS} times, with CHAOS_SEED=${SEED}`, () => {
  let built: Awaited<ReturnType<typeof buildInstance>>;
  let data: string;

  beforeAll(async () => {
    built = await buildInstance();
    data = await mkdtemp(join(tmpdir(), 'sqlite-chaos-'));
  });

  afterAll(async () => {
    await built.remove();
    await rm(data, { recursive: true, force: true });
  });

  it.each<[Durability, boolean]>([
    ['process', true],
    ['power', false],
  ])(
    "each acknowledged event reaches each client once and in order, and there is no gap: '%s', kept: %s",
    async (durability, areKept) => {
      const random = new Random(SEED);
      const path = join(data, `${durability}.db`);
      const pair = new Pair(built.folder, path, durability, areKept);
      await Promise.all([pair.start(0), pair.start(1)]);
      const clients = TOPICS.flatMap((topic) =>
        ['topics', 'mapped'].map(
          (route) => new ChaosClient([topic], pair, random.fork(), areKept ? 800 : 0, route),
        ),
      );
      const publishers = [0, 1].map((index) => new Publisher(index, pair, random.fork(), true));
      try {
        for (const client of clients) client.start();
        await until('all clients have begun', () => clients.every((each) => each.hasBegun), 20_000);
        for (const publisher of publishers) publisher.start();
        for (let round = 0; round < ROUNDS; round++) {
          await elapse(random.between(20, 400));
          // Now and then nobody has the file open.
          const killed = random.next() < 0.3 ? [0, 1] : [random.between(0, 1)];
          await Promise.all(killed.map((index) => pair.kill(index)));
          await Promise.all(killed.map((index) => pair.start(index)));
        }
        await Promise.all(publishers.map((publisher) => publisher.stop()));
        await publishers[0]?.insist(TOPICS, 'the last event');
        if (areKept) {
          const late = TOPICS.map(
            (topic) => new ChaosClient([topic], pair, random.fork(), 0, 'whole'),
          );
          for (const client of late) client.start();
          clients.push(...late);
        }
        await until(
          'all clients have the last event',
          () => clients.every((client) => client.has('the last event')),
          30_000,
        );
      } finally {
        await Promise.all(publishers.map((publisher) => publisher.stop()));
        await Promise.all(clients.map((client) => client.stop()));
        await Promise.all([pair.kill(0), pair.kill(1)]);
      }
      const acknowledged = publishers.flatMap((publisher) => publisher.acknowledged);
      const { faults, gaps } = judge(
        clients.map(({ record }) => record),
        acknowledged,
        { topics: areKept ? TOPICS : [], goneAt: new Map() },
      );
      if (ROUNDS > 20) {
        process.stderr.write(
          `'${durability}': ${ROUNDS} rounds, ${acknowledged.length} acknowledged\n`,
        );
      }
      expect({ seed: SEED, faults, gaps }).toEqual({ seed: SEED, faults: [], gaps: 0 });
      expect(acknowledged.length).toBeGreaterThan(ROUNDS);
    },
    ROUNDS * 15_000 + 60_000,
  );
});
