import { Worker } from 'node:worker_threads';
import { messageOf, SseError } from '../errors.js';
import { closedError, unknownError, unreadableError } from './failures.js';
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

interface Pending {
  readonly kind: Kind;
  resolve(answer: Answer): void;
  reject(error: SseError): void;
}

/** The thread that owns the file, as the application's thread sees it. */
export class FileThread {
  readonly #options: ThreadOptions;
  readonly #events: ThreadEvents;
  #worker: Worker | undefined;
  readonly #pending = new Map<number, Pending>();
  #asked = 0;
  #isClosed = false;

  constructor(options: ThreadOptions, events: ThreadEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** @throws SseError what the thread says, or that it has ended */
  ask<K extends Kind>(kind: K, request: Requests[K]['ask']): Promise<Requests[K]['answer']> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw closedError();
      const id = ++this.#asked;
      this.#pending.set(id, { kind, resolve, reject });
      this.#worker ??= this.#start();
      this.#worker.postMessage({ kind, id, ...request });
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
    this.#rejectAll('the application has shut down');
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
      const what = `its thread has ended (${messageOf(reason)})`;
      this.#rejectAll(what);
      this.#events.onEnded(unreadableError(this.#options.path, what));
    });
    return worker;
  }

  #onMessage(message: Message): void {
    if (message.kind === 'changed') this.#events.onChanged();
    else if (message.kind === 'warning') this.#events.onWarning(message.text);
    else if (message.kind === 'answer') this.#settle(message.id)?.resolve(message.answer);
    else {
      const { code, message: text } = message.failure;
      this.#settle(message.id)?.reject(new SseError(code, text));
    }
  }

  #rejectAll(what: string): void {
    const { path } = this.#options;
    for (const [id, { kind }] of this.#pending) {
      const error = kind === 'publish' ? unknownError(path, what) : unreadableError(path, what);
      this.#settle(id)?.reject(error);
    }
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }
}
