import type { History } from '../../src/log/log-sink.js';
import type { EventRecord } from '../../src/log/entry.js';
import { Client, RunError } from './client.js';
import type { Core } from './core.js';
import { FarArchive } from './far-archive.js';
import { Instance } from './instance.js';
import { Kept, KEEP_FOR, type Rule } from './kept.js';
import { mayHaveKey, TOPICS } from './lane.js';
import { Random } from './random.js';
import { type LostRange, type Place, Reference } from './reference.js';

/** Ordered for all instances; `undefined` begins another epoch. */
interface Ordered {
  readonly epoch: string;
  readonly offset: number;
  readonly record?: EventRecord;
}

/** One run of the model: instances that share an order of events, and clients that come and go. */
export class ReaderRun {
  readonly random: Random;
  readonly core: Core;
  readonly reference = new Reference();
  readonly holes: LostRange[] = [];
  readonly ordered: Ordered[] = [];
  readonly instances: Instance[];
  readonly clients: Client[];
  readonly history: History;
  readonly isLocal: boolean;
  readonly kept: Kept;
  readonly archive: FarArchive;
  readonly steps: string[] = [];
  isPublishingInside = false;
  #epoch = 0;
  #offset = 0;

  constructor(core: Core, seed: number) {
    this.core = core;
    this.random = new Random(seed);
    const { random } = this;
    this.isLocal = random.chance(0.6);
    const maxEvents = random.chance(0.5) ? random.int(2, 8) : random.int(5, 50);
    const maxBytes = random.chance(0.8) ? 1_000_000 : random.int(1_000, 5_000);
    this.history = { maxEvents, maxBytes, maxAge: false };
    const rules = random.chance(0.6) ? randomRules(random) : [];
    const readsPatterns = random.chance(0.6);
    this.kept = new Kept(rules, readsPatterns);
    this.archive = new FarArchive(core, rules, readsPatterns, random, () => ({
      lost: Math.min(...this.instances.map(({ log }) => log.lost)),
      losses: this.kept.losses,
      published: this.reference.next,
    }));
    this.instances = Array.from({ length: this.isLocal ? 1 : 2 }, () => new Instance(this));
    this.order();
    for (const instance of this.instances) instance.feed(1);
    this.clients = Array.from({ length: random.int(1, 3) }, () => new Client(this));
  }

  /** Of one length, so that a later one is greater. */
  get epoch(): string {
    return `e${String(this.#epoch).padStart(3, '0')}`;
  }

  get head(): number {
    return this.#offset;
  }

  /** Gives an event the next place, or begins another epoch with none. */
  order(record?: EventRecord): Place {
    if (record === undefined) {
      this.#epoch++;
      this.#offset = 0;
      this.ordered.push({ epoch: this.epoch, offset: 0 });
      this.kept.clear();
      this.archive.beginEpoch(this.epoch);
    } else {
      this.ordered.push({ epoch: this.epoch, offset: ++this.#offset, record });
      this.archive.add(this.#offset, record);
    }
    if (this.isLocal) for (const instance of this.instances) instance.feed(Infinity);
    return { epoch: this.epoch, offset: this.#offset };
  }

  publish(isForAll = false): void {
    const { random, reference } = this;
    const n = reference.next;
    const several = [...new Set([random.pick(TOPICS), random.pick(TOPICS)])];
    const topics = isForAll ? TOPICS : random.chance(0.7) ? several.slice(0, 1) : several;
    const mayBeNamed = !isForAll && mayHaveKey(n);
    const key = random.chance(0.5) && mayBeNamed ? `k${random.int(1, 3)}` : undefined;
    const place = { epoch: this.epoch, offset: this.#offset + 1 };
    const event = { n, ...place, topics, key, isForAll };
    reference.add(event);
    this.kept.add(event);
    const data = isForAll ? { n, isForAll } : { n };
    const { bus } = random.pick(this.instances);
    void bus.publish(topics, key === undefined ? { data } : { data, key });
  }

  async run(steps: number): Promise<void> {
    try {
      for (let step = 0; step < steps; step++) await this.#step();
      await this.#finish();
    } finally {
      this.archive.close();
    }
  }

  async #step(): Promise<void> {
    const { random } = this;
    const client = random.pick(this.clients);
    const chance = random.int(1, 100);
    if (chance <= 8) {
      this.#note('publish while readers read');
      const { turn } = random.pick(this.instances);
      turn.add({ queued: false, run: () => this.publish() });
    } else if (chance <= 11) {
      this.#note('take while readers read');
      client.takeInRound();
    } else if (chance <= 30) {
      const count = random.chance(0.1) ? random.int(10, 30) : random.int(1, 4);
      this.#note(`publish ${count}`);
      for (let index = 0; index < count; index++) this.publish();
    } else if (chance <= 35 && this.kept.rules.length > 0) {
      this.#stepInArchive(random.int(1, 20));
    } else if (chance <= 55) {
      this.#note('turn');
      await turnOver();
    } else if (chance <= 60) {
      for (const instance of this.instances) instance.feed(random.int(0, 6));
    } else if (chance <= 63 && !this.isLocal) {
      this.#note('hole');
      const instance = random.pick(this.instances);
      instance.lose(random.int(1, 5));
      if (random.chance(0.5)) {
        this.#note('a client that asks for the last ones');
        client.beginAnew(instance);
      }
    } else if (chance <= 64) {
      this.#note('epoch');
      this.order();
    } else {
      client.step(chance, (text) => this.#note(text));
    }
  }

  #stepInArchive(chance: number): void {
    if (chance === 1) {
      this.#note('expire');
      this.kept.expire();
      this.archive.expire();
    } else if (chance === 2) {
      this.#note('forget');
      this.kept.expire();
      this.kept.isVague = true;
      this.archive.forget();
    } else {
      this.#note('answer of the archive');
      this.archive.answer();
    }
  }

  /** Everything arrives; then one event that is for everybody has to reach everybody, and so its id. */
  async #finish(): Promise<void> {
    await this.#settle();
    for (const client of this.clients) client.connectIfNot();
    await this.#settle();
    this.#checkNothingIsDue();
    this.#note('the last event');
    this.isPublishingInside = true;
    this.publish(true);
    await this.#settle();
    this.#checkNothingIsDue();
    for (const client of this.clients) client.beat();
    await this.#settle();
    for (const client of this.clients) client.checkLastId();
  }

  #checkNothingIsDue(): void {
    for (const client of this.clients) {
      const due = client.due(this.epoch, this.#offset);
      if (due.length > 0) throw new RunError(client, `Never came: ${due.join('; ')}`);
    }
  }

  async #settle(): Promise<void> {
    for (let quiet = 0, rounds = 0; quiet < 3; rounds++) {
      if (rounds > 1_000) throw new Error('The run does not come to rest');
      let hasMoved = false;
      for (const instance of this.instances) hasMoved = instance.feed(Infinity) || hasMoved;
      hasMoved = this.archive.answer(true) || hasMoved;
      await turnOver();
      for (const client of this.clients) hasMoved = client.settle() || hasMoved;
      quiet = hasMoved ? 0 : quiet + 1;
    }
  }

  #note(text: string): void {
    this.steps.push(text);
  }
}

function turnOver(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function randomRules(random: Random): Rule[] {
  const matches = ['a.1', 'a.*', 'a.**', '*.1', 'b.2', 'c', '**'];
  return Array.from({ length: random.int(1, 3) }, () => ({
    match: random.pick(matches),
    keepEvents: random.chance(0.4) ? random.int(1, 12) : false,
    keepFor: random.chance(0.3) ? KEEP_FOR : false,
    keepLatestPerKey: random.chance(0.25),
  }));
}
