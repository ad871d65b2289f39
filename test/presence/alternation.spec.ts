import { afterEach, expect, it } from '@jest/globals';
import type { LogSink } from 'nestjs-event-stream';
import { Broker } from '../backplane/broker.js';
import { Random } from '../model/random.js';
import { elapse, until } from '../support/until.js';
import { Instance, type Line, SlowBackplane } from './instance.js';
import { RoomModel } from './rooms.js';

const TOPIC = 'room.7';
const OWNERS = ['ada', 'bob', 'cleo', 'dan'];
const STEPS = 250;
/** Far from the seed of what happens. */
const DELAYS = 1_000_000;
/** Milliseconds until all show who is there: who has missed something asks for longer than usual where nobody answers. */
const SETTLED = 20_000;

const instances: Instance[] = [];

afterEach(async () => {
  await Promise.all(instances.splice(0).map((instance) => instance.close()));
});

/** Owners come and go on instances that come, go and die; whoever looks is told of each in turn, and shows who is there. */
class Run {
  readonly #random: Random;
  /** Of how long what is ordered takes: what happens does not depend on when. */
  readonly #delays: Random;
  readonly #broker = new Broker();
  readonly #lines = new Map<LogSink, Line>();
  readonly #models: RoomModel[] = [];
  readonly #faults: unknown[] = [];
  #count = 0;
  #told = 0;
  #gaps = 0;

  constructor(
    seed: number,
    private readonly options: object,
    private readonly maxEvents: number,
    private readonly mayLose = false,
  ) {
    this.#random = new Random(seed);
    this.#delays = new Random(seed + DELAYS);
  }

  async play(): Promise<void> {
    for (let n = 0; n < 3; n++) await this.#start();
    for (let step = 0; step < STEPS; step++) {
      await this.#step(this.#random.next(), this.#random.pick(instances));
      if (this.#random.chance(0.4)) await elapse(this.#random.int(0, 8));
    }
    const isSo = () => {
      const there = new Set(instances.flatMap(({ visits }) => visits.map(({ owner }) => owner)));
      return this.#faults.length > 0 || this.#models.every((model) => model.shows(there));
    };
    await until('all show who is there', isSo, SETTLED).catch((error: unknown) =>
      this.#faults.push(error),
    );
    expect(this.#faults).toEqual([]);
    expect(this.#told).toBeGreaterThan(10);
    if (this.mayLose) expect(this.#gaps).toBeGreaterThan(0);
  }

  async #step(draw: number, instance: Instance): Promise<void> {
    if (this.mayLose && this.#random.chance(0.01)) await this.#broker.forget();
    else if (this.mayLose && this.#random.chance(0.02)) {
      (instance.backplane as SlowBackplane).miss(this.#random.int(1, 10));
    } else if (draw < 0.38) instance.enter(this.#random.pick(OWNERS), TOPIC);
    else if (draw < 0.96) instance.exit(this.#random.int(0, 2));
    else if (draw < 0.97) await this.#replace(instance);
    else if (draw < 0.98) await this.#kill(instance);
    else for (let n = 0; n < 20; n++) void instance.publish('other');
  }

  async #start(): Promise<void> {
    const backplane = new SlowBackplane(this.#broker, this.#delays, this.#lines);
    const name = `instance-${++this.#count}`;
    const instance = await Instance.start(name, backplane, this.options, this.maxEvents);
    instances.push(instance);
    const model = new RoomModel();
    this.#models.push(model);
    instance.presence.stream(TOPIC).subscribe(({ type = 'message', data }) => {
      if (!instances.includes(instance)) return;
      try {
        model.take(type, data);
        this.#told++;
        if (type === 'gap') this.#gaps++;
      } catch (error) {
        this.#faults.push(error);
      }
    });
    instance.onEnd = () => this.#models.splice(this.#models.indexOf(model), 1);
  }

  async #replace(instance: Instance): Promise<void> {
    await this.#start();
    instances.splice(instances.indexOf(instance), 1);
    while (instance.visits.length > 0) instance.exit(0);
    await instance.close();
    instance.onEnd();
    (instance.backplane as SlowBackplane).die();
  }

  async #kill(instance: Instance): Promise<void> {
    await this.#start();
    instances.splice(instances.indexOf(instance), 1);
    instance.onEnd();
    (instance.backplane as SlowBackplane).die();
    void instance.close();
  }
}

it.each([1, 2, 3, 4, 5, 6])(
  'tells of each owner in turn: %i',
  async (seed) => {
    await new Run(seed, { grace: 10, lease: 500 }, 1_000).play();
  },
  2 * SETTLED,
);

it.each([1, 2, 3])(
  'tells of each owner in turn, with a log that is short: %i',
  async (seed) => {
    await new Run(seed, { grace: 10, lease: 500 }, 60).play();
  },
  2 * SETTLED,
);

it.each([1, 2, 3])(
  'tells all anew when a part of the log is lost, or all of it: %i',
  async (seed) => {
    await new Run(seed, { grace: 10, lease: 500 }, 1_000, true).play();
  },
  2 * SETTLED,
);
