import { EventBus } from '../../src/bus/event-bus.js';
import type { Reader } from '../../src/reader/reader.js';
import type { Outlet, Output, ConnectionPort } from '../../src/reader/sink.js';
import type { Backplane } from '../../src/backplane/backplane.js';
import type { History } from '../../src/log/log-sink.js';
import type { SseEvent } from '../../src/log/event.js';
import { Log } from '../../src/log/log.js';
import { RetentionRules } from '../../src/log/retention.js';
import { MemoryBackplane } from '../../src/backplane/memory.backplane.js';
import { type Task, TurnScheduler } from '../../src/log/turn-scheduler.js';
import type { JoinedFrames } from '../../src/wire/joined-frames.js';
import { Observable } from 'rxjs';
import { chainOf } from '../../src/nest/internals/rxjs-chain.js';

/** A bus with its log, and connections that take down what a client would get. */
export class Instance {
  private constructor(
    readonly turn: TurnScheduler,
    readonly log: Log,
    readonly bus: EventBus,
  ) {}

  static async open(
    history: Partial<History> = {},
    backplane: Backplane = new MemoryBackplane(),
  ): Promise<Instance> {
    const all = { maxEvents: 1_000, maxBytes: 1e9, maxAge: false as const, ...history };
    const turn = new TurnScheduler();
    const log = new Log(all, turn);
    await backplane.open(log, all);
    const rules = new RetentionRules(all.topics);
    return new Instance(turn, log, new EventBus(log, turn, backplane, chainOf, { rules }));
  }

  /** Somebody connects. */
  connect(
    streams: (bus: EventBus) => Observable<unknown>,
    lastEventId?: string,
    isTransparent = false,
  ): RecordingConnection {
    const connection = new RecordingConnection(this.turn, lastEventId, isTransparent);
    const received = new Observable<unknown>((subscriber) =>
      this.bus.runFor(connection, () => streams(this.bus).subscribe(subscriber), subscriber),
    );
    const subscription = received.subscribe({
      next: (message) => connection.reader?.onMessage(message),
      error: (error: unknown) => (connection.error = error),
    });
    connection.leave = () => subscription.unsubscribe();
    return connection;
  }
}

/** A connection that is ready when the test says so. */
export class RecordingConnection implements ConnectionPort, Task {
  queued = false;
  reader: Reader | undefined;
  isReady = true;
  /** Frames after which it is not ready any more. */
  capacity = Infinity;
  readonly isSilent = false;
  isEnded = false;
  /** Whether it was told never to come back. */
  isEndedForGood = false;
  readonly frames: string[] = [];
  error: unknown;
  leave = () => {};
  #isOpen = false;

  constructor(
    readonly turn: TurnScheduler,
    readonly lastEventId: string | undefined,
    /** Whether its stream comes to it through nothing that could change it. */
    readonly isTransparent: boolean,
  ) {}

  /** The data that a client was sent. */
  get data(): string[] {
    return this.frames.flatMap((frame) => /^data: (.*)$/m.exec(frame)?.[1] ?? []);
  }

  /** The offset of the last id that a client was sent. */
  get told(): number | undefined {
    const ids = this.frames.flatMap((frame) => /^id: \w+\.(\d+)$/m.exec(frame)?.[1] ?? []);
    return ids.length === 0 ? undefined : Number(ids.at(-1));
  }

  send(frames: JoinedFrames): void {
    for (const frame of frames.frames) this.write(frame);
  }

  directOutputFor(): Output | undefined {
    const { reader } = this;
    const next = (message: unknown) => reader?.onMessage(message);
    const error = (cause: unknown) => (this.error = cause);
    return this.isTransparent ? { closed: false, next, error, complete() {} } : undefined;
  }

  get room(): number {
    if (!this.isReady) return 0;
    return this.capacity === Infinity ? Infinity : 1;
  }

  isClear(): boolean {
    return this.isReady;
  }

  get outlet(): Outlet {
    return this;
  }

  schedule(): void {
    this.turn.add(this);
  }

  run(): void {
    this.reader?.read();
  }

  begin(id: string | undefined): void {
    this.#isOpen = true;
    this.frames.push(id === undefined ? '' : `id: ${id}\n\n`);
  }

  write(frame: Buffer): void {
    this.frames.push(frame.toString());
    if (--this.capacity <= 0) this.isReady = false;
  }

  tell(id: string): void {
    this.frames.push(`id: ${id}\n\n`);
    if (--this.capacity <= 0) this.isReady = false;
  }

  endForGood(): void {
    this.isEndedForGood = true;
  }

  announce(_gap: SseEvent, frame: Buffer): void {
    this.write(frame);
  }

  /** Time passes: a response that has not begun begins. */
  beat(): void {
    if (!this.#isOpen) this.begin(this.reader?.beginEarly());
    const id = this.reader?.heartbeat();
    if (id !== undefined) this.frames.push(`id: ${id}\n\n`);
  }
}

/** Everything that is under way in this turn and the next few happens. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
}
