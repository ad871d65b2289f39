import { ClientStreams, placeIn } from './client-streams.js';
import { FrameCutter } from './frames.js';
import type { Instance } from './instance.js';
import { type Lane, randomLanes, randomSource } from './lane.js';
import { LaneView, startOf } from './lane-view.js';
import { PlayedConnection, type Sent } from './played-connection.js';
import type { Random } from './random.js';
import type { ReaderRun } from './reader-run.js';
import { type SnapshotCall, Witness } from './witness.js';

/** A failure of the property, with what the client had seen. */
export class RunError extends Error {
  constructor(client: Client, message: string) {
    const lanes = JSON.stringify(client.lanes);
    super(
      `${message}\n${client.surroundings}\nLanes: ${lanes}\nWhat the client saw:\n${client.witness.story}`,
    );
  }
}

/** A client with its lanes, over all of its connections. */
export class Client {
  readonly witness: Witness;
  lanes: Lane[];
  readonly #run: ReaderRun;
  readonly #room: number;
  #streams: ClientStreams | undefined;
  /** Taken while readers read, and not yet looked at. */
  #taken: Sent[] = [];

  constructor(run: ReaderRun) {
    this.#run = run;
    this.witness = new Witness(run);
    this.lanes = randomLanes(run.random, {
      hasHistory: run.random.chance(0.5),
    });
    this.#room = run.random.chance(0.5) ? Infinity : run.random.int(1, 6);
  }

  /** Whether it was told that there is nothing to come back for. */
  #isRefused = false;

  step(chance: number, note: (text: string) => void): void {
    const { random } = this.#run;
    if (this.#isRefused) return;
    if (this.#streams === undefined) {
      if (chance > 70) return;
      note('connect');
      this.#connect();
    } else if (chance <= 78) {
      note('take');
      this.#take(random.int(1, 10));
    } else if (chance <= 84) {
      this.#streams.holding.release(random.int(1, 5));
    } else if (chance <= 90) {
      note('beat');
      this.beat();
    } else if (chance <= 93) {
      this.#streams.answer();
    } else if (chance <= 95) {
      note('switch');
      this.lanes = this.#streams.switchOne(this.lanes);
    } else if (chance <= 97) {
      note('disconnect');
      this.#take(0);
      this.#disconnect();
      if (random.chance(0.7)) this.#connect();
    } else {
      this.#take(Infinity);
    }
  }

  /** Another one takes its place, who asks for the last events of some topics. */
  beginAnew(instance: Instance): void {
    const { random } = this.#run;
    if (this.#isRefused) return;
    this.#take(0);
    this.#disconnect();
    const source = randomSource(random, true, { hasHistory: true });
    const sources = [{ ...source, until: 0, start: { last: random.int(0, 6) } }];
    this.lanes = [{ tag: '', way: 'unmodified', sources }];
    this.#connect(instance, true);
  }

  /** Takes what is due while a round of readers runs, so that there is room before they all have read. */
  takeInRound(): void {
    const streams = this.#streams;
    const run = () => {
      if (streams !== undefined && streams === this.#streams)
        this.#taken.push(...streams.connection.take(Infinity));
    };
    streams?.connection.instance.turn.add({ queued: false, run });
  }

  connectIfNot(): void {
    if (this.#streams === undefined && !this.#isRefused) this.#connect();
  }

  beat(): void {
    this.#streams?.connection.beat();
  }

  /** Lets everything arrive; says whether anything did. */
  settle(): boolean {
    const streams = this.#streams;
    if (streams === undefined) return false;
    const hasMoved = this.#take(Infinity) || streams.holding.size > 0;
    streams.holding.release(Infinity);
    if (streams.answer(true)) return true;
    if (hasMoved || !streams.haveEnded || this.#isRefused) return hasMoved;
    streams.end();
    this.#take(Infinity);
    const due = streams.hasSwitched
      ? []
      : this.witness.dueAtEnd(streams.connection.instance.moment);
    if (due.length > 0) throw new RunError(this, `Never came before the end: ${due.join('; ')}`);
    this.#disconnect();
    this.#connect();
    return true;
  }

  /** What the run is like for it, for the report of a failure. */
  get surroundings(): string {
    const { kept, history, reference, epoch, holes } = this.#run;
    const events = reference
      .between(epoch, 0, Infinity)
      .map(({ n, offset, topics, key = '' }) => `${n}@${offset} ${topics.join('+')} ${key}`.trim());
    return [
      `Rules: ${JSON.stringify(kept.rules)} ${kept.readsPatterns}, ${JSON.stringify(history)}`,
      `Events of ${epoch}: ${events.join(', ')}`,
      `Holes: ${JSON.stringify(holes)}`,
    ].join('\n');
  }

  /** What should have come by now. */
  due(epoch: string, head: number): string[] {
    return this.witness.due(epoch, head, this.#streams?.connection.instance.moment);
  }

  /** With nothing held and nothing due, a heartbeat has to bring the head. */
  checkLastId(): void {
    const { epoch, head } = this.#run;
    const mayLag = this.lanes.some(
      ({ way, sources }) => way === 'holdNoId' || sources.some(({ until }) => until > 0),
    );
    const { lastEventId = '' } = this.witness;
    if (mayLag || this.#streams?.hasSwitched === true || lastEventId === `${epoch}.${head}`) return;
    throw new RunError(this, `The last id is '${lastEventId}', not ${epoch}.${head}`);
  }

  #disconnect(): void {
    this.#streams?.close();
    this.#streams = undefined;
  }

  #connect(instance = this.#run.random.pick(this.#run.instances), isNew = false): void {
    const requested = isNew ? undefined : this.#lastEventId(this.#run.random);
    const connection = new PlayedConnection(instance, requested, this.#room, () => {
      this.witness.refuse();
      this.#isRefused = true;
    });
    this.#streams = new ClientStreams(this.#run, instance, connection, this.witness);
    const { moment } = instance;
    const views = this.lanes.map((lane) => {
      const calls: SnapshotCall[] = [];
      const start = startOf(lane, moment, this.#run);
      const at = requested === undefined ? start : placeIn(requested);
      return new LaneView(lane, at, start, requested === undefined, calls);
    });
    this.witness.connect(requested, views, moment);
    this.#streams.open(views);
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
    taken.push(...(this.#streams?.connection.take(count) ?? []));
    try {
      for (const sent of taken) {
        if (typeof sent === 'function') sent();
        else
          for (const frame of new FrameCutter().cut(sent.text))
            this.witness.receive(frame, sent.moment);
      }
    } catch (error) {
      throw new RunError(this, error instanceof Error ? error.message : String(error));
    }
    return taken.length > 0;
  }
}
