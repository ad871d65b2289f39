import { toError } from '../errors.js';
import type { Cursor } from '../log/cursor.js';
import type { SseEvent } from '../log/event.js';
import type { Task, TurnScheduler } from '../log/turn-scheduler.js';
import { Reader } from '../reader/reader.js';
import type { ReaderContext } from '../reader/reader-context.js';
import { ReaderStream } from '../reader/reader-stream.js';
import type { Output, Sink } from '../reader/sink.js';
import { TopicCursor } from '../reader/topic-cursor.js';
import type { Selection } from './stream-subscription.js';

/** Events that are read before somebody asks for them. */
const AHEAD = 64;

type Result = IteratorResult<SseEvent, undefined>;

interface Waiter {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** What makes a stream when its first event is asked for. */
export interface PullRequest {
  readonly context: ReaderContext;
  readonly turn: TurnScheduler;
  /** @param onClose takes what is to be done when nothing is read any more */
  readonly select: (onClose: (work: () => void) => void) => Selection;
  /** Where it goes on from; undefined for where the plan begins. */
  readonly after: Cursor | undefined;
}

/** A stream whose events are read as fast as they are asked for: what nobody has asked for stays in the log. */
export class PulledStream implements AsyncIterableIterator<SseEvent, undefined> {
  readonly #request: PullRequest;
  #read: ReadAhead | undefined;

  constructor(request: PullRequest) {
    this.#request = request;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Rejects with the stream's error. */
  next(): Promise<Result> {
    this.#read ??= new ReadAhead(this.#request);
    return this.#read.next();
  }

  /** Lets go of the log; whoever waits for an event gets none. */
  return(): Promise<Result> {
    this.#read ??= new ReadAhead(this.#request);
    this.#read.close();
    return Promise.resolve({ done: true, value: undefined });
  }
}

/** The sink of a pulled stream. */
class ReadAhead implements Sink, Task {
  queued = false;
  readonly #turn: TurnScheduler;
  readonly #reader: Reader;
  readonly #stream: ReaderStream;
  readonly #events: SseEvent[] = [];
  readonly #waiters: Waiter[] = [];
  #failure: { readonly error: unknown } | undefined;
  readonly #endings: (() => void)[] = [];
  #isOver = false;

  constructor({ context, turn, select, after }: PullRequest) {
    this.#turn = turn;
    const { topics, plan } = select((work) => this.#endings.push(work));
    this.#reader = new Reader(context, this, after);
    const cursor = new TopicCursor(context, topics, this);
    this.#stream = new ReaderStream(cursor, plan, this.#output(), context.warn, 'subscriber');
    this.#reader.join(this.#stream);
  }

  get isEnded(): boolean {
    return this.#isOver;
  }

  get room(): number {
    return this.#isOver || this.#events.length >= AHEAD ? 0 : 1;
  }

  next(): Promise<Result> {
    const event = this.#events.shift();
    if (event !== undefined) {
      if (this.#events.length === 0) this.schedule();
      return Promise.resolve({ done: false, value: event });
    }
    if (this.#failure !== undefined) {
      const { error } = this.#failure;
      this.#failure = undefined;
      return Promise.reject(toError(error));
    }
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  close(): void {
    this.#events.length = 0;
    this.#failure = undefined;
    this.#end();
  }

  schedule(): void {
    if (!this.#isOver) this.#turn.add(this);
  }

  run(): void {
    if (!this.#isOver) this.#reader.read();
  }

  begin(): void {}

  tell(): void {}

  write(): void {}

  announce(event: SseEvent): void {
    this.#push(event);
  }

  endForGood(): void {
    this.#end();
  }

  #output(): Output {
    const isOver = () => this.#isOver;
    return {
      get closed() {
        return isOver();
      },
      next: (event) => this.#push(event as SseEvent),
      error: (error) => {
        this.#failure = { error };
        this.#end();
      },
      complete: () => this.#end(),
    };
  }

  #push(event: SseEvent): void {
    if (this.#isOver) return;
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#events.push(event);
    else waiter.resolve({ done: false, value: event });
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#reader.leave(this.#stream);
    for (const work of this.#endings.splice(0)) work();
    for (const waiter of this.#waiters.splice(0))
      void this.next().then(waiter.resolve, waiter.reject);
  }
}
