import type { MessageEvent } from '@nestjs/common';
import { mergeAll, Observable, type OperatorFunction, Subject, switchMap } from 'rxjs';
import type { Outlet, Output, ConnectionPort } from '../../src/reader/sink.js';
import { chainOf } from '../../src/nest/internals/rxjs-chain.js';
import type { EventBus } from '../../src/bus/event-bus.js';
import type { Reader } from '../../src/reader/reader.js';
import type { BackplaneHealth } from '../../src/backplane/backplane.js';
import type { History } from '../../src/log/log-sink.js';
import type { EventRecord } from '../../src/log/entry.js';
import type { SseEvent } from '../../src/log/event.js';
import type { Log } from '../../src/log/log.js';
import type { Task, TurnScheduler } from '../../src/log/turn-scheduler.js';
import type { JoinedFrames } from '../../src/wire/joined-frames.js';
import type { Core } from './core.js';
import { FrameCutter } from './frames.js';
import { Holding } from './hold.js';
import { type Lane, randomLanes, randomSource, TOPICS } from './lane.js';
import { type Data, laneStreams, type Surroundings } from './lane-streams.js';
import { Random } from './random.js';
import { type Place, placeOf, Reference } from './reference.js';
import { LaneView, type LostRange, type SnapshotCall, Witness } from './witness.js';

/** Ordered for all instances; `undefined` begins another epoch. */
interface Ordered {
  readonly epoch: string;
  readonly offset: number;
  readonly record?: EventRecord;
}

/** What is due to a client, in order: text, or something that the witness has to know at that point. */
type Sent = string | (() => void);

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
    } else {
      this.ordered.push({ epoch: this.epoch, offset: ++this.#offset, record });
    }
    if (this.isLocal) for (const instance of this.instances) instance.feed(Infinity);
    return { epoch: this.epoch, offset: this.#offset };
  }

  publish(isForAll = false): void {
    const { random, reference } = this;
    const n = reference.next;
    const several = [...new Set([random.pick(TOPICS), random.pick(TOPICS)])];
    const topics = isForAll ? TOPICS : random.chance(0.7) ? several.slice(0, 1) : several;
    const key = random.chance(0.5) ? `k${random.int(1, 3)}` : undefined;
    const place = { epoch: this.epoch, offset: this.#offset + 1 };
    reference.add({ n, ...place, topics, key, isForAll });
    const data = isForAll ? { n, isForAll } : { n };
    const { bus } = random.pick(this.instances);
    void bus.publish(topics, key === undefined ? { data } : { data, key });
  }

  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) await this.#step();
    await this.#finish();
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
    } else if (chance <= 55) {
      this.#note('turn');
      await turnOver();
    } else if (chance <= 60) {
      for (const instance of this.instances) instance.feed(random.int(0, 6));
    } else if (chance <= 63 && !this.isLocal) {
      this.#note('hole');
      random.pick(this.instances).lose(random.int(1, 5));
    } else if (chance <= 64) {
      this.#note('epoch');
      this.order();
    } else {
      client.step(chance, (text) => this.#note(text));
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
      const due = client.witness.due(this.epoch, this.#offset);
      if (due.length > 0) throw new RunError(client, `Never came: ${due.join('; ')}`);
    }
  }

  async #settle(): Promise<void> {
    for (let quiet = 0, rounds = 0; quiet < 3; rounds++) {
      if (rounds > 1_000) throw new Error('The run does not come to rest');
      let hasMoved = false;
      for (const instance of this.instances) hasMoved = instance.feed(Infinity) || hasMoved;
      await turnOver();
      for (const client of this.clients) hasMoved = client.settle() || hasMoved;
      quiet = hasMoved ? 0 : quiet + 1;
    }
  }

  #note(text: string): void {
    this.steps.push(text);
  }
}

/** A failure of the property, with what the client had seen. */
export class RunError extends Error {
  constructor(client: Client, message: string) {
    const lanes = JSON.stringify(client.lanes);
    super(`${message}\nLanes: ${lanes}\nWhat the client saw:\n${client.witness.story}`);
  }
}

function turnOver(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** One instance: a replica of the log that is fed when the run says so. */
class Instance {
  readonly turn: TurnScheduler;
  readonly log: Log;
  readonly bus: EventBus;
  readonly #run: ReaderRun;
  #fed = 0;
  #catchUps: { readonly upTo: number; readonly resolve: () => void }[] = [];

  constructor(run: ReaderRun) {
    this.#run = run;
    this.turn = new run.core.TurnScheduler();
    this.log = new run.core.Log(run.history, this.turn);
    const backplane = new (modelBackplane(run, this))();
    this.bus = new run.core.EventBus(this.log, this.turn, backplane, chainOf);
  }

  /** Takes some of what is ordered; says whether there was any. */
  feed(count: number): boolean {
    const news = this.#run.ordered.slice(this.#fed, this.#fed + count);
    for (const { epoch, offset, record } of news) {
      if (record === undefined) this.log.reset(epoch, offset);
      else this.log.append(offset, record);
    }
    this.#count(news.length);
    return news.length > 0;
  }

  /** Resolves when everything that is ordered now has been fed. */
  catchUp(): Promise<void> {
    return new Promise((resolve) => {
      this.#catchUps.push({ upTo: this.#run.ordered.length, resolve });
      this.#count(0);
    });
  }

  /** Loses some of what is ordered, as a replica does that was away for too long. */
  lose(count: number): void {
    const news = this.#run.ordered.slice(this.#fed, this.#fed + count);
    const { epoch } = this.log;
    if (news.length === 0 || news.some(({ record }) => record === undefined)) return;
    const upTo = news.at(-1)?.offset ?? 0;
    this.#run.holes.push({ epoch, after: this.log.head, upTo });
    this.log.lose(upTo);
    this.#count(news.length);
  }

  #count(news: number): void {
    this.#fed += news;
    for (const { upTo, resolve } of this.#catchUps) if (upTo <= this.#fed) resolve();
    this.#catchUps = this.#catchUps.filter(({ upTo }) => upTo > this.#fed);
  }
}

function modelBackplane(
  run: ReaderRun,
  instance: Instance,
): new () => InstanceType<Core['Backplane']> {
  return class extends run.core.Backplane {
    override readonly isLocal = run.isLocal;
    override readonly health: BackplaneHealth = {
      isConnected: true,
      lastReadAt: undefined,
      lagEvents: 0,
      lagMs: 0,
    };
    override async open(): Promise<void> {}
    override catchUp(): Promise<void> {
      return instance.catchUp();
    }
    override async close(): Promise<void> {}
    override async publish(record: EventRecord): Promise<string> {
      const { epoch, offset } = run.order(record);
      return `${epoch}.${offset}`;
    }
  };
}

/** A sink that is ready as long as little is on its way, and a client that takes it when the run says so. */
class FakeConnection implements ConnectionPort, Task {
  queued = false;
  reader: Reader | undefined;
  readonly isSilent = false;
  isEnded = false;
  /** Whether its stream comes through the run's operators as it is. */
  isTransparent = false;
  sent: Sent[] = [];
  hasBegun = false;
  #isBeatDue = false;
  #isBehind = false;
  #written = 0;

  constructor(
    readonly turn: TurnScheduler,
    readonly lastEventId: string | undefined,
    readonly capacity: number,
  ) {}

  get room(): number {
    if (this.isEnded || this.#isBehind) return 0;
    return this.capacity === Infinity ? 1_000 : 1;
  }

  send(frames: JoinedFrames): void {
    for (const frame of frames.frames) this.write(frame);
  }

  isClear(): boolean {
    return this.room > 0;
  }

  get outlet(): Outlet {
    return this;
  }

  directOutputFor(): Output | undefined {
    if (!this.isTransparent) return undefined;
    const { reader } = this;
    return {
      closed: false,
      next: (message) => reader?.onMessage(message),
      error: (error) => {
        throw error;
      },
      complete: () => {},
    };
  }

  schedule(): void {
    if (!this.isEnded) this.turn.add(this);
  }

  run(): void {
    this.#written = 0;
    this.reader?.read();
    if (!this.#isBeatDue || this.isEnded || this.#isBehind || this.#written > 0) return;
    this.#isBeatDue = false;
    const id = this.reader?.heartbeat();
    if (id !== undefined) this.#send(`id: ${id}\n\n`);
  }

  begin(id: string | undefined): void {
    this.hasBegun = true;
    this.#send(id === undefined ? 'retry: 1\n\n' : `retry: 1\nid: ${id}\n\n`);
  }

  write(frame: Buffer): void {
    if (!this.isEnded) this.#send(frame.toString());
  }

  endForGood(): void {}

  announce(_gap: SseEvent, frame: Buffer): void {
    this.write(frame);
  }

  beat(): void {
    this.#isBeatDue = true;
    this.schedule();
  }

  /** The client takes some of what is on its way. */
  take(count: number): Sent[] {
    const taken = this.sent.splice(0, count);
    if (this.#isBehind && this.sent.length === 0) {
      this.#isBehind = false;
      this.schedule();
    }
    return taken;
  }

  #send(text: string): void {
    this.#written++;
    this.sent.push(text);
    if (this.sent.length >= this.capacity) this.#isBehind = true;
  }
}

/** A client with its lanes, over all of its connections. */
class Client {
  readonly witness: Witness;
  lanes: Lane[];
  readonly #run: ReaderRun;
  readonly #room: number;
  #connection: Connection | undefined;
  /** Taken while readers read, and not yet looked at. */
  #taken: Sent[] = [];

  constructor(run: ReaderRun) {
    this.#run = run;
    this.witness = new Witness(run);
    this.lanes = randomLanes(run.random);
    this.#room = run.random.chance(0.5) ? Infinity : run.random.int(1, 6);
  }

  step(chance: number, note: (text: string) => void): void {
    const { random } = this.#run;
    if (this.#connection === undefined) {
      if (chance > 70) return;
      note('connect');
      this.#connect();
    } else if (chance <= 78) {
      note('take');
      this.#take(random.int(1, 10));
    } else if (chance <= 84) {
      this.#connection.holding.release(random.int(1, 5));
    } else if (chance <= 90) {
      note('beat');
      this.beat();
    } else if (chance <= 93) {
      this.#connection.answer();
    } else if (chance <= 95) {
      note('switch');
      this.lanes = this.#connection.switchOne(this.lanes);
    } else if (chance <= 97) {
      note('disconnect');
      this.#take(0);
      this.#connection.close();
      this.#connection = undefined;
      if (random.chance(0.7)) this.#connect();
    } else {
      this.#take(Infinity);
    }
  }

  /** Takes what is due while a round of readers runs, so that there is room before they all have read. */
  takeInRound(): void {
    const connection = this.#connection;
    const run = () => {
      if (connection !== undefined && connection === this.#connection)
        this.#taken.push(...connection.port.take(Infinity));
    };
    connection?.port.turn.add({ queued: false, run });
  }

  connectIfNot(): void {
    if (this.#connection === undefined) this.#connect();
  }

  beat(): void {
    this.#connection?.port.beat();
  }

  /** Lets everything arrive; says whether anything did. */
  settle(): boolean {
    const connection = this.#connection;
    if (connection === undefined) return false;
    const hasMoved = this.#take(Infinity) || connection.holding.size > 0;
    connection.holding.release(Infinity);
    return connection.answer(true) || hasMoved;
  }

  /** With nothing held and nothing due, a heartbeat has to bring the head. */
  checkLastId(): void {
    const { epoch, head } = this.#run;
    const mayLag = this.lanes.some(({ way }) => way === 'holdNoId');
    const { lastEventId = '' } = this.witness;
    if (mayLag || this.#connection?.hasSwitched === true || lastEventId === `${epoch}.${head}`)
      return;
    throw new RunError(this, `The last id is '${lastEventId}', not ${epoch}.${head}`);
  }

  #connect(): void {
    const { random, instances } = this.#run;
    const instance = random.pick(instances);
    const requested = this.#lastEventId(random);
    const port = new FakeConnection(instance.turn, requested, this.#room);
    this.#connection = new Connection(this.#run, instance, port, this.witness);
    const { log } = instance;
    const views = this.lanes.map((lane) => {
      const calls: SnapshotCall[] = [];
      const [source] = lane.sources;
      const head = source?.start === 'earliest' ? log.lost : log.head;
      const start = { epoch: log.epoch, offset: head };
      const at = requested === undefined ? start : placeIn(requested);
      return new LaneView(lane, at, start, requested === undefined, calls);
    });
    this.witness.connect(requested, views);
    this.#connection.open(views);
  }

  /** What the client comes back with: mostly its last id, sometimes an older one, or somebody else's. */
  #lastEventId(random: Random): string | undefined {
    const { lastEventId, ids } = this.witness;
    const chance = random.int(1, 100);
    if (chance <= 4) return 'what?';
    if (chance <= 7) return `e0.${random.int(0, 9)}`;
    if (chance <= 10) return undefined;
    if (chance <= 12) return `${this.#run.epoch}.${this.#run.head + 5}`;
    if (chance <= 13) return `e${this.#run.isLocal ? '000' : '999'}.${random.int(0, 9)}`;
    if (chance <= 25 && ids.length > 0) return random.pick(ids);
    return lastEventId;
  }

  #take(count: number): boolean {
    const taken = this.#taken.splice(0);
    taken.push(...(this.#connection?.port.take(count) ?? []));
    try {
      for (const sent of taken) {
        if (typeof sent === 'function') sent();
        else for (const frame of new FrameCutter().cut(sent)) this.witness.receive(frame);
      }
    } catch (error) {
      throw new RunError(this, error instanceof Error ? error.message : String(error));
    }
    return taken.length > 0;
  }
}

function placeIn(requested: string): Place {
  return /^e\d+\.\d+$/.test(requested) ? placeOf(requested) : { epoch: requested, offset: 0 };
}

/** One connection of a client: its streams, what their operators hold, the snapshots that it waits for. */
class Connection implements Surroundings {
  readonly bus: EventBus;
  readonly matching: Core['matching'];
  readonly holding = new Holding();
  hasSwitched = false;
  readonly port: FakeConnection;
  readonly #run: ReaderRun;
  readonly #instance: Instance;
  readonly #witness: Witness;
  readonly #added = new Subject<Observable<MessageEvent>>();
  readonly #replaced = new Map<string, Subject<Observable<MessageEvent>>>();
  readonly #unanswered: (() => void)[] = [];
  /** Whether the client has come before what it goes on from has. */
  readonly #isAhead: boolean;
  #serial = 0;
  #close = () => {};

  constructor(run: ReaderRun, instance: Instance, port: FakeConnection, witness: Witness) {
    this.#run = run;
    this.#instance = instance;
    this.bus = instance.bus;
    this.matching = run.core.matching;
    this.port = port;
    this.#witness = witness;
    const { epoch, offset } = placeIn(port.lastEventId ?? '');
    const { epoch: present, head } = instance.log;
    this.#isAhead = epoch > present || (epoch === present && offset > head);
  }

  open(views: readonly LaneView[]): void {
    const received = new Observable<MessageEvent>((subscriber) => {
      const subscribe = () => this.#added.pipe(mergeAll()).subscribe(subscriber);
      return this.bus.runFor(this.port, subscribe, subscriber);
    });
    const subscription = received.subscribe({
      next: (message) => this.port.reader?.onMessage(message),
    });
    this.#close = () => subscription.unsubscribe();
    const [{ lane } = { lane: undefined }] = views;
    this.port.isTransparent =
      views.length === 1 && lane?.way === 'unmodified' && lane.sources.length === 1;
    for (const view of views) this.#add(view);
  }

  close(): void {
    this.port.isEnded = true;
    this.port.reader?.end();
    this.#close();
  }

  /** Gives a snapshot that was asked for; says whether there was one. */
  answer(areAll = false): boolean {
    const answers = this.#unanswered.splice(0, areAll ? Infinity : 1);
    for (const answer of answers) answer();
    return answers.length > 0;
  }

  hold<T>(): OperatorFunction<T, T> {
    return this.holding.hold();
  }

  /** Some operators publish; what they publish must not overtake, nor trim away what others have not read. */
  onPass({ n = 0 }: Data): void {
    if (n % 13 !== 5 || this.#run.isPublishingInside || this.#run.reference.next > 200) return;
    this.#run.isPublishingInside = true;
    for (let count = 0; count < (n % 4) * 5; count++) this.#run.publish();
    this.#run.isPublishingInside = false;
  }

  snapshot(calls: SnapshotCall[]): Promise<{ data: Data }[]> {
    const { log } = this.#instance;
    const serial = ++this.#serial;
    const parts = this.#run.random.int(0, 3);
    const at = { epoch: log.epoch, offset: log.head };
    const call: SnapshotCall = { serial, at, parts, isDone: false };
    calls.push(call);
    const events = Array.from({ length: parts }, (_, part) => ({ data: { snap: serial, part } }));
    return new Promise((resolve) => {
      this.#unanswered.push(() => {
        call.isDone = true;
        resolve(events);
      });
    });
  }

  /** Replaces the streams of one lane, as `switchMap` does, by the same or by others; or adds a lane. */
  switchOne(lanes: Lane[]): Lane[] {
    const { random } = this.#run;
    const lane = random.pick(lanes);
    const mayChange = lane.way === 'map' && this.#replaced.has(lane.tag) && !this.#isAhead;
    if (!mayChange) return lanes;
    this.hasSwitched = true;
    const isSame = random.chance(0.5) && lane.sources[0]?.start !== 'snapshot';
    const { log } = this.#instance;
    if (!isSame && !this.port.hasBegun) return lanes;
    if (isSame) {
      this.#replaced.get(lane.tag)?.next(this.#streamsOf(lane, []));
      return lanes;
    }
    const tag = `${lane.tag}'`;
    const changed: Lane = { tag, way: 'map', sources: [randomSource(random, true)] };
    const at = { epoch: log.epoch, offset: 0 };
    const view = new LaneView(changed, at, at, true, [], log.head);
    const old = this.#replaced.get(lane.tag);
    this.#replaced.delete(lane.tag);
    if (old !== undefined) this.#replaced.set(tag, old);
    this.port.sent.push(() => {
      this.#witness.views = this.#witness.views.filter((known) => known.lane !== lane);
      this.#witness.join(view);
    });
    old?.next(this.#streamsOf(changed, view.calls));
    return lanes.map((known) => (known === lane ? changed : known));
  }

  #add(view: LaneView): void {
    const streams = new Subject<Observable<MessageEvent>>();
    this.#replaced.set(view.lane.tag, streams);
    this.#added.next(streams.pipe(switchMap((inner) => inner)));
    streams.next(this.#streamsOf(view.lane, view.calls));
  }

  #streamsOf(lane: Lane, calls: SnapshotCall[]): Observable<MessageEvent> {
    return laneStreams(this, lane, calls);
  }
}
