import type { Outlet, Output, ConnectionPort } from '../../src/reader/sink.js';
import type { Reader } from '../../src/reader/reader.js';
import type { SseEvent } from '../../src/log/event.js';
import type { Task } from '../../src/log/turn-scheduler.js';
import type { JoinedFrames } from '../../src/wire/joined-frames.js';
import type { Instance } from './instance.js';
import type { Moment } from './witness.js';

/** What is due to a client, in order: text and when it was sent, or something that the witness has to know at that point. */
export type Sent = { readonly text: string; readonly moment: Moment } | (() => void);

/** A sink that is ready as long as little is on its way, and a client that takes it when the run says so. */
export class PlayedConnection implements ConnectionPort, Task {
  queued = false;
  reader: Reader | undefined;
  readonly isSilent = false;
  isEnded = false;
  /** Whether its stream comes through the run's operators as it is. */
  isTransparent = false;
  sent: Sent[] = [];
  hasBegun = false;
  /** Called when the stream that comes through as it is has ended. */
  onDirectEnd = () => {};
  #isBeatDue = false;
  #isBehind = false;
  #written = 0;

  constructor(
    readonly instance: Instance,
    readonly lastEventId: string | undefined,
    readonly capacity: number,
    readonly onRefused: () => void,
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
      complete: () => {
        reader?.end(true);
        this.isEnded = true;
        this.onDirectEnd();
      },
    };
  }

  schedule(): void {
    if (!this.isEnded) this.instance.turn.add(this);
  }

  run(): void {
    this.#written = 0;
    this.reader?.read();
    if (!this.#isBeatDue || this.isEnded || this.#isBehind || this.#written > 0) return;
    this.#isBeatDue = false;
    if (!this.hasBegun) this.#beginEarly();
    const id = this.reader?.heartbeat();
    if (id !== undefined) this.#send(`id: ${id}\n\n`);
  }

  begin(id: string | undefined): void {
    this.hasBegun = true;
    this.#send(id === undefined ? 'retry: 1\n\n' : `retry: 1\nid: ${id}\n\n`);
  }

  #beginEarly(): void {
    const awaited = this.reader?.beginEarly();
    if (awaited !== undefined) this.begin(awaited);
  }

  write(frame: Buffer): void {
    if (!this.isEnded) this.#send(frame.toString());
  }

  tell(id: string): void {
    if (!this.isEnded) this.#send(`id: ${id}\n\n`);
  }

  endForGood(): void {
    this.isEnded = true;
    this.sent.push(() => this.onRefused());
  }

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
    this.sent.push({ text, moment: this.instance.moment });
    if (this.sent.length >= this.capacity) this.#isBehind = true;
  }
}
