import { Worker } from 'node:worker_threads';
import { SseError } from '../errors.js';
import { closedError, unknownError } from './failures.js';
import type {
  Answer,
  Kind,
  LogPlace,
  Message,
  Request,
  Requests,
  ThreadOptions,
} from './protocol.js';

/** How long, in milliseconds, closing waits for the thread to close the file. */
const CLOSE_TIMEOUT = 500;

/** What the thread tells without being asked, and what it has to know. */
export interface ThreadEvents {
  onChanged(): void;
  onWarning(text: string): void;
  /** It has ended, and nobody had asked it to: another one takes its place with the next request. */
  onEnded(error: SseError): void;
  /** How far the log was followed by now; for a thread that takes the place of another. */
  readonly known: () => LogPlace | undefined;
}

/** The thread that owns the file, as the application's thread sees it: asked one thing at a time. */
export class FileThread {
  readonly #options: ThreadOptions;
  readonly #events: ThreadEvents;
  #worker: Worker | undefined;
  #pending: { resolve(answer: Answer): void; reject(error: SseError): void } | undefined;
  #isClosed = false;

  constructor(options: ThreadOptions, events: ThreadEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** @throws SseError what the thread says, or that it has ended */
  ask<K extends Kind>(kind: K, request: Requests[K]['ask']): Promise<Requests[K]['answer']> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw closedError();
      this.#pending = { resolve, reject };
      this.#worker ??= this.#start();
      this.#worker.postMessage({ kind, ...request });
    });
  }

  /** Ends the thread; a disk that answers nobody cannot hold it for long. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const worker = this.#worker;
    if (worker === undefined) return;
    const exit = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    worker.postMessage({ kind: 'close' } satisfies Request);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, CLOSE_TIMEOUT)));
    await Promise.race([exit, late]);
    clearTimeout(timer);
    void worker.terminate();
    this.#settle()?.reject(this.#endedError('the application has shut down'));
  }

  #start(): Worker {
    const worker = new Worker(new URL('./thread.js', import.meta.url), {
      workerData: { ...this.#options, known: this.#events.known() } satisfies ThreadOptions,
      name: 'nestjs-event-stream:sqlite',
    });
    let reason: unknown = 'it was stopped';
    worker.on('error', (error) => (reason = error));
    worker.on('message', (message: Message) => this.#onMessage(message));
    worker.once('exit', () => {
      this.#worker = undefined;
      if (this.#isClosed) return;
      const error = this.#endedError(`its thread has ended (${String(reason)})`);
      this.#settle()?.reject(error);
      this.#events.onEnded(error);
    });
    return worker;
  }

  #onMessage(message: Message): void {
    if (message.kind === 'changed') this.#events.onChanged();
    else if (message.kind === 'warning') this.#events.onWarning(message.text);
    else if (message.kind === 'answer') this.#settle()?.resolve(message.answer);
    else this.#settle()?.reject(new SseError(message.failure.code, message.failure.message));
  }

  #endedError(what: string): SseError {
    return unknownError(this.#options.path, what);
  }

  #settle() {
    const pending = this.#pending;
    this.#pending = undefined;
    return pending;
  }
}
