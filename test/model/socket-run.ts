import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Controller,
  type INestApplication,
  type MessageEvent,
  Module,
  Query,
  Sse,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { concatMap, delay, Observable, type OperatorFunction } from 'rxjs';
import type { EventBus } from '../../src/bus/event-bus.js';
import type { Log } from '../../src/log/log.js';
import type { Core } from './core.js';
import { FrameCutter } from './frames.js';
import { type Lane, randomLanes, TOPICS } from './lane.js';
import { type Data, laneStreams, type Surroundings } from './lane-streams.js';
import { Random } from './random.js';
import { type LostRange, type Place, placeOf, Reference } from './reference.js';
import { LaneView } from './lane-view.js';
import { type SnapshotCall, Witness } from './witness.js';

/** How long nothing may arrive while something is due, in milliseconds. */
const PATIENCE = 3_000;

/** One run over real sockets: an application, and clients that come, stop reading, and go. */
export class SocketRun {
  readonly core: Core;
  readonly random: Random;
  readonly reference = new Reference();
  readonly holes: readonly LostRange[] = [];
  readonly clients: SocketClient[];
  /** Makes an event too big for what the kernel takes from a server whose client does not read. */
  readonly padding: string;
  readonly steps: string[] = [];
  #bus: EventBus | undefined;
  #log: Log | undefined;
  #url = '';
  #failure: Error | undefined;
  #onFailure = () => {};

  constructor(core: Core, seed: number) {
    this.core = core;
    this.random = new Random(seed);
    this.padding = this.random.chance(0.05) ? 'x'.repeat(400_000) : '';
    const count = this.random.int(1, 4);
    this.clients = Array.from({ length: count }, (_, index) => new SocketClient(this, index));
  }

  get bus(): EventBus {
    if (this.#bus === undefined) throw new Error('The run has not begun');
    return this.#bus;
  }

  get log(): Log {
    if (this.#log === undefined) throw new Error('The run has not begun');
    return this.#log;
  }

  get url(): string {
    return this.#url;
  }

  fail(client: SocketClient, message: string): void {
    const lanes = JSON.stringify(client.lanes);
    const story = client.witness.story.replaceAll(/x{100,}/g, '…');
    this.#failure ??= new Error(`${message}\nLanes: ${lanes}\nWhat the client saw:\n${story}`);
    this.#onFailure();
  }

  publish(isForAll = false): void {
    const { random, reference } = this;
    const n = reference.next;
    const several = [...new Set([random.pick(TOPICS), random.pick(TOPICS)])];
    const topics = isForAll ? TOPICS : random.chance(0.7) ? several.slice(0, 1) : several;
    const key = random.chance(0.5) ? `k${random.int(1, 3)}` : undefined;
    const { epoch, head } = this.log;
    reference.add({ n, epoch, offset: head + 1, topics, key, isForAll });
    const data = { n, pad: this.padding, ...(isForAll && { isForAll }) };
    void this.bus.publish(topics, key === undefined ? { data } : { data, key });
  }

  async run(steps: number): Promise<void> {
    const app = await this.#start();
    try {
      for (let step = 0; step < steps && this.#failure === undefined; step++) await this.#step();
      await this.#finish();
      if (this.#failure !== undefined) throw this.#failure;
    } finally {
      for (const client of this.clients) client.disconnect();
      await app.close();
    }
  }

  async #start(): Promise<INestApplication> {
    const { random, core, clients } = this;
    @Controller()
    class RunController {
      @Sse('run')
      run(@Query('client') index: string): Observable<MessageEvent> {
        const client = clients[Number(index)];
        if (client === undefined) throw new Error(`Client ${index} does not exist`);
        return client.serve();
      }
    }
    const sse = core.SseModule.forRoot({
      history: { maxEvents: random.chance(0.5) ? random.int(5, 12) : random.int(5, 50) },
      highWaterMark: random.pick([1, 300, 65_536]),
      heartbeatInterval: random.pick([5, 10, false]),
      drain: { timeout: 100 },
      maxBuffered: 1_000_000_000,
    });
    @Module({ imports: [sse], controllers: [RunController] })
    class RunModule {}
    const adapter = random.chance(0.5) ? new ExpressAdapter() : new FastifyAdapter();
    const app = await NestFactory.create(RunModule, adapter, { logger: false });
    await app.listen(0, '127.0.0.1');
    this.#bus = app.get(core.EventBus);
    this.#log = app.get(core.Log, { strict: false });
    const { port } = (app.getHttpServer() as { address(): AddressInfo }).address();
    this.#url = `http://127.0.0.1:${port}/run`;
    return app;
  }

  async #step(): Promise<void> {
    const { random } = this;
    const client = random.pick(this.clients);
    const chance = random.int(1, 100);
    if (chance <= 35) {
      const count = random.chance(0.1) ? random.int(10, 30) : random.int(1, 4);
      this.steps.push(`publish ${count}`);
      for (let index = 0; index < count; index++) this.publish();
    } else if (chance <= 60) {
      await new Promise((resolve) => setImmediate(resolve));
    } else if (chance <= 70) {
      this.steps.push('sleep');
      await sleep(random.int(1, 4));
    } else {
      client.step(chance, (text) => this.steps.push(text));
    }
  }

  /** Everybody is there and reads; what is due to each has to come, up to an event that is for all. */
  async #finish(): Promise<void> {
    if (this.#failure !== undefined) return;
    const all = Promise.all(this.clients.map((client) => client.stay()));
    await Promise.race([all, this.#failed()]);
    await this.#arrival();
    this.publish(true);
    await this.#arrival();
  }

  /** What is due arrives, without anything new that would wake a reader. */
  async #arrival(): Promise<void> {
    const { epoch, head } = this.log;
    const arrived = Promise.all(this.clients.map((client) => client.hasAll(epoch, head)));
    const isOver = Promise.race([arrived, this.#failed()]).then(() => true);
    for (let seen = -1; seen < this.#seen;) {
      seen = this.#seen;
      if (await Promise.race([isOver, sleep(PATIENCE, false, { ref: false })])) break;
    }
    for (const client of this.clients) {
      const due = client.witness.due(epoch, head);
      if (due.length > 0) this.fail(client, `Never came: ${due.join('; ')}`);
    }
  }

  get #seen(): number {
    return this.clients.reduce((sum, { witness }) => sum + witness.seen + witness.ids.length, 0);
  }

  #failed(): Promise<void> {
    return new Promise((resolve) => {
      this.#onFailure = resolve;
      if (this.#failure !== undefined) resolve();
    });
  }
}

/** A client over a socket, and the handler that serves it. */
class SocketClient implements Surroundings {
  readonly witness: Witness;
  readonly lanes: readonly Lane[];
  readonly #run: SocketRun;
  readonly #index: number;
  readonly #isPatient: boolean;
  #outgoing: ClientRequest | undefined;
  #response: IncomingMessage | undefined;
  #requested: string | undefined;
  #onFrame = () => {};
  #serial = 0;

  constructor(run: SocketRun, index: number) {
    this.#run = run;
    this.#index = index;
    this.witness = new Witness(run);
    this.lanes = randomLanes(run.random, { hasHistory: false });
    this.#isPatient = run.random.chance(0.5);
  }

  get bus(): EventBus {
    return this.#run.bus;
  }

  get matching(): Core['matching'] {
    return this.#run.core.matching;
  }

  hold<T>(): OperatorFunction<T, T> {
    return this.#isPatient
      ? delay(2)
      : concatMap((value) => new Promise<T>((resolve) => setImmediate(resolve, value)));
  }

  onPass(): void {}

  async snapshot(calls: SnapshotCall[]): Promise<{ data: Data }[]> {
    const { random, log } = this.#run;
    const serial = ++this.#serial;
    const parts = serial % 4;
    const at = { epoch: log.epoch, offset: log.head };
    const call: SnapshotCall = { serial, at, parts, isDone: false };
    calls.push(call);
    if (random.chance(0.5)) await sleep(1);
    call.isDone = true;
    return Array.from({ length: parts }, (_, part) => ({ data: { snap: serial, part } }));
  }

  /** What the handler returns for this client. */
  serve(): Observable<MessageEvent> {
    const { log } = this.#run;
    const requested = this.#requested;
    const calls: SnapshotCall[][] = this.lanes.map(() => []);
    const lanes = this.lanes.map((lane, index) => laneStreams(this, lane, calls[index] ?? []));
    return new Observable<MessageEvent>((subscriber) => {
      const views = this.lanes.map((lane, index) => {
        const offset = lane.sources[0]?.start === 'earliest' ? log.lost : log.head;
        const start = { epoch: log.epoch, offset };
        const at = requested === undefined ? start : placeIn(requested);
        return new LaneView(lane, at, start, requested === undefined, calls[index] ?? []);
      });
      this.witness.connect(requested, views);
      for (const lane of lanes) subscriber.add(lane.subscribe(subscriber));
    });
  }

  step(chance: number, note: (text: string) => void): void {
    if (this.#outgoing === undefined) {
      if (chance > 80) return;
      note(`${this.#index} connects`);
      this.#connect();
    } else if (chance <= 80) {
      note(`${this.#index} pauses`);
      this.#response?.pause();
    } else if (chance <= 93) {
      note(`${this.#index} resumes`);
      this.#response?.resume();
    } else {
      note(`${this.#index} disconnects`);
      this.disconnect();
      if (chance <= 98) this.#connect();
    }
  }

  disconnect(): void {
    this.#outgoing?.destroy();
    this.#outgoing = this.#response = undefined;
  }

  /** Connects if it has to, and reads from now on. */
  async stay(): Promise<void> {
    if (this.#outgoing === undefined) this.#connect();
    if (this.#response === undefined) {
      await new Promise<void>((resolve) => this.#outgoing?.once('response', () => resolve()));
    }
    this.#response?.resume();
  }

  hasAll(epoch: string, head: number): Promise<void> {
    return new Promise((resolve) => {
      this.#onFrame = () => {
        if (this.witness.due(epoch, head).length === 0) resolve();
      };
      this.#onFrame();
    });
  }

  #connect(): void {
    const requested = this.#lastEventId();
    const headers = requested === undefined ? {} : { 'last-event-id': requested };
    const outgoing = request(`${this.#run.url}?client=${this.#index}`, { agent: false, headers });
    this.#requested = requested;
    this.#outgoing = outgoing;
    outgoing.on('error', (error) => {
      if (this.#outgoing === outgoing) this.#run.fail(this, `The connection broke: ${error}`);
    });
    outgoing.on('response', (response) => {
      if (this.#outgoing !== outgoing) return;
      this.#response = response;
      const cutter = new FrameCutter();
      response.setEncoding('utf8').on('data', (text: string) => {
        if (this.#outgoing === outgoing) this.#read(cutter, text);
      });
      response.on('error', () => {});
    });
    outgoing.end();
  }

  #read(cutter: FrameCutter, text: string): void {
    try {
      for (const frame of cutter.cut(text)) this.witness.receive(frame);
    } catch (error) {
      this.#run.fail(this, error instanceof Error ? error.message : String(error));
    }
    this.#onFrame();
  }

  /** Mostly its last id, sometimes an older one, or one that is not of this log. */
  #lastEventId(): string | undefined {
    const { random, log } = this.#run;
    const { lastEventId, ids } = this.witness;
    const chance = random.int(1, 100);
    if (chance <= 4) return 'what?';
    if (chance <= 7) return `0.${random.int(0, 9)}`;
    if (chance <= 10) return undefined;
    if (chance <= 13) return `${log.epoch}.${log.head + 50}`;
    if (chance <= 25 && ids.length > 0) return random.pick(ids);
    return lastEventId;
  }
}

function placeIn(requested: string): Place {
  return /^[\w-]+\.\d+$/.test(requested) ? placeOf(requested) : { epoch: requested, offset: 0 };
}
