import type { MessageEvent } from '@nestjs/common';
import { mergeAll, Observable, type OperatorFunction, Subject, switchMap, tap } from 'rxjs';
import type { EventBus } from '../../src/bus/event-bus.js';
import type { Core } from './core.js';
import { Holding } from './hold.js';
import type { Instance } from './instance.js';
import { type Lane, randomSource } from './lane.js';
import { type Data, laneStreams, type Surroundings } from './lane-streams.js';
import { LaneView } from './lane-view.js';
import type { PlayedConnection } from './played-connection.js';
import type { ReaderRun } from './reader-run.js';
import { type Place, placeOf } from './reference.js';
import type { SnapshotCall, Witness } from './witness.js';

export function placeIn(requested: string): Place {
  return /^e\d+\.\d+$/.test(requested) ? placeOf(requested) : { epoch: requested, offset: 0 };
}

/** One connection of a client: its streams, what their operators hold, the snapshots that it waits for. */
export class ClientStreams implements Surroundings {
  readonly bus: EventBus;
  readonly matching: Core['matching'];
  readonly holding = new Holding();
  hasSwitched = false;
  readonly connection: PlayedConnection;
  readonly #run: ReaderRun;
  readonly #instance: Instance;
  readonly #witness: Witness;
  readonly #added = new Subject<Observable<MessageEvent>>();
  readonly #replaced = new Map<string, Subject<Observable<MessageEvent>>>();
  readonly #unanswered: (() => void)[] = [];
  /** Whether the client has come before what it goes on from has. */
  readonly #isAhead: boolean;
  /** Of each lane, whether its streams have completed. */
  readonly #ended = new Map<string, boolean>();
  #serial = 0;
  #close = () => {};

  constructor(run: ReaderRun, instance: Instance, connection: PlayedConnection, witness: Witness) {
    this.#run = run;
    this.#instance = instance;
    this.bus = instance.bus;
    this.matching = run.core.matching;
    this.connection = connection;
    this.#witness = witness;
    const { epoch, offset } = placeIn(connection.lastEventId ?? '');
    const { epoch: present, head } = instance.log;
    this.#isAhead = epoch > present || (epoch === present && offset > head);
  }

  open(views: readonly LaneView[]): void {
    const received = new Observable<MessageEvent>((subscriber) => {
      const subscribe = () => this.#added.pipe(mergeAll()).subscribe(subscriber);
      return this.bus.runFor(this.connection, subscribe, subscriber);
    });
    const subscription = received.subscribe({
      next: (message) => this.connection.reader?.onMessage(message),
    });
    this.#close = () => subscription.unsubscribe();
    const [{ lane } = { lane: undefined }] = views;
    this.connection.isTransparent =
      views.length === 1 && lane?.way === 'unmodified' && lane.sources.length === 1;
    for (const view of views) this.#add(view);
  }

  /** Whether all of them have completed, so that the response ends. */
  get haveEnded(): boolean {
    return [...this.#ended.values()].every(Boolean);
  }

  /** The response ends because they all have. */
  end(): void {
    this.connection.reader?.end(true);
  }

  close(): void {
    this.connection.isEnded = true;
    this.connection.reader?.end(false);
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
    const isSame = random.chance(0.5) && mayBeSame(lane, lanes);
    const { log } = this.#instance;
    if (!isSame && this.connection.reader?.cursor === undefined) return lanes;
    if (isSame) {
      this.#replaced.get(lane.tag)?.next(this.#streamsOf(lane, []));
      return lanes;
    }
    const tag = `${lane.tag}'`;
    const changed: Lane = {
      tag,
      way: 'map',
      sources: [randomSource(random, true, { hasHistory: false })],
    };
    const at = { epoch: log.epoch, offset: 0 };
    const view = new LaneView(changed, at, at, true, [], log.head);
    const old = this.#replaced.get(lane.tag);
    this.#replaced.delete(lane.tag);
    this.#ended.delete(lane.tag);
    if (old !== undefined) this.#replaced.set(tag, old);
    this.connection.sent.push(() => {
      this.#witness.views = this.#witness.views.filter((known) => known.lane !== lane);
      this.#witness.join(view);
    });
    old?.next(this.#streamsOf(changed, view.calls));
    return lanes.map((known) => (known === lane ? changed : known));
  }

  #add(view: LaneView): void {
    const streams = new Subject<Observable<MessageEvent>>();
    this.#replaced.set(view.lane.tag, streams);
    this.#ended.set(view.lane.tag, false);
    this.#added.next(streams.pipe(switchMap((inner) => inner)));
    streams.next(this.#streamsOf(view.lane, view.calls));
  }

  #streamsOf(lane: Lane, calls: SnapshotCall[]): Observable<MessageEvent> {
    const onEnd = () => this.#ended.set(lane.tag, true);
    if (this.connection.isTransparent) this.connection.onDirectEnd = onEnd;
    this.#ended.set(lane.tag, false);
    const streams = laneStreams(this, lane, calls);
    // One that is transparent leads to its connection as it is.
    return this.connection.isTransparent ? streams : streams.pipe(tap({ complete: onEnd }));
  }
}

/**
 * Whether a stream of the lane may be replaced by the same: one that was over begins anew where its connection has
 * come to, which may be before the place where it had begun, and no frame says so.
 */
function mayBeSame(lane: Lane, lanes: readonly Lane[]): boolean {
  const beginsAt = (each: Lane, start: string) =>
    each.sources.every((source) => source.start === start);
  const isPlaced =
    beginsAt(lane, 'earliest') ||
    beginsAt(lane, 'start') ||
    lanes.every((each) => beginsAt(each, 'now'));
  return isPlaced && lane.sources.every(({ until }) => until === 0);
}
