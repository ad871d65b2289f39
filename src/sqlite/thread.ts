import { setTimeout as elapse } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { ChangeWatch } from './change-watch.js';
import { resultOf } from './driver.js';
import { closedError, failureOf, newEpochText, NoLogError } from './failures.js';
import type { KeptQueries } from './kept-queries.js';
import { LogFile } from './log-file.js';
import {
  type Answer,
  type LogPlace,
  type Message,
  type Request,
  sharedTime,
  type ThreadOptions,
} from './protocol.js';

/** Milliseconds between two steps of upkeep, and while there is more to do than one step does. */
const MAINTENANCE = 500;
const NEXT_STEP = 20;
/** Longest wait, in milliseconds, between two attempts to get a lock. */
const LONGEST_WAIT = 16;

/** Nothing here holds up the event loop of the application. */
class FileOwner {
  readonly #options: ThreadOptions;
  readonly #post: (message: Message) => void;
  #upkeep: NodeJS.Timeout | undefined;
  #changes: ChangeWatch | undefined;
  #file: LogFile | undefined;
  /** How far the log has been seen by this instance: it must never go back. */
  #known: LogPlace | undefined;
  #hasTold = false;
  #isClosed = false;

  constructor(options: ThreadOptions, post: (message: Message) => void) {
    this.#options = options;
    this.#known = options.known;
    this.#post = post;
  }

  async handle(request: Request): Promise<void> {
    if (request.kind === 'close') {
      this.#close();
      return;
    }
    this.#hasTold = false;
    try {
      const { id } = request;
      const answer = await this.#patiently(this.#deadlineOf(request), () => this.#answer(request));
      this.#post({ kind: 'answer', id, answer });
      if (request.kind === 'publish') this.#settle();
    } catch (error) {
      const isCommit = request.kind === 'publish' && this.#file?.isCommitting === true;
      const failure = failureOf(error, this.#options.path, isCommit);
      this.#post({ kind: 'failure', id: request.id, failure });
    }
  }

  #deadlineOf(request: Request): number {
    return request.kind === 'publish' ? request.deadline : sharedTime() + this.#options.patience;
  }

  #answer(request: Exclude<Request, { kind: 'close' }>): Answer {
    const file = this.#current();
    if (request.kind === 'open') {
      file.tellRules();
      const state = file.state();
      this.#known = state;
      return { ...state, because: file.because };
    }
    if (request.kind === 'read') {
      file.state(this.#known);
      const page = file.read(request.after);
      this.#known = page;
      return page;
    }
    if (request.kind === 'sizeKept') return file.sizeOfArchive();
    if (request.kind !== 'publish') return answerFromArchive(file, request);
    this.#changes?.onOwnWrite();
    const published = file.publish(request.blocks, this.#known);
    const { epoch, head } = published;
    this.#known = { epoch, head };
    return published;
  }

  /** The file at the path: another one, if it was replaced. */
  #current(): LogFile {
    if (this.#file?.isReplaced === true) this.#forgetFile();
    this.#file ??= this.#open();
    this.#watch(this.#file);
    return this.#file;
  }

  #open(): LogFile {
    const { path, history } = this.#options;
    const file = new LogFile(this.#options, this.#known);
    // An instance says so itself.
    if (history === undefined && file.because !== undefined)
      this.#post({ kind: 'warning', text: newEpochText(path, file.because) });
    return file;
  }

  /** Tries again while somebody else has the lock; a thread that sleeps in SQLite could not be closed. */
  async #patiently<T>(deadline: number, work: () => T): Promise<T> {
    for (let wait = 1; ; wait = Math.min(wait * 2, LONGEST_WAIT)) {
      if (this.#isClosed) throw closedError();
      try {
        return work();
      } catch (error) {
        const result = resultOf(error);
        const isBusy = result === 'BUSY' || result === 'LOCKED' || result === 'PROTOCOL';
        const mayPass = isBusy || error instanceof NoLogError;
        if (!mayPass || sharedTime() > deadline) throw error;
      }
      await elapse(wait * (0.5 + Math.random() / 2));
    }
  }

  /** Whoever only publishes looks at nothing, and trims nothing. */
  #watch(file: LogFile): void {
    if (this.#options.history === undefined) return;
    this.#upkeep ??= setTimeout(() => this.#maintain(), MAINTENANCE);
    this.#changes ??= new ChangeWatch({
      path: file.walPath,
      hasChanged: () => !this.#hasTold && file.hasChanged(),
      onChanged: () => this.#tell(),
    });
  }

  #tell(): void {
    if (this.#hasTold) return;
    this.#hasTold = true;
    this.#post({ kind: 'changed' });
  }

  #settle(): void {
    try {
      const text = this.#file?.settle();
      if (text !== undefined) this.#post({ kind: 'warning', text });
    } catch {
      // The events are kept; the next checkpoint does it.
    }
  }

  #maintain(): void {
    let isUnfinished = false;
    try {
      if (this.#file?.isReplaced === true && !this.#hasTold) this.#tell();
      else isUnfinished = this.#file?.maintain() ?? false;
      this.#settle();
    } catch {
      // It is not urgent: the next step does it. What is really wrong, publishing says.
    }
    this.#upkeep = setTimeout(() => this.#maintain(), isUnfinished ? NEXT_STEP : MAINTENANCE);
  }

  #forgetFile(): void {
    this.#changes?.close();
    this.#changes = undefined;
    this.#file?.close();
    this.#file = undefined;
  }

  #close(): void {
    this.#isClosed = true;
    clearTimeout(this.#upkeep);
    try {
      this.#forgetFile();
    } finally {
      parentPort?.close();
    }
  }
}

/** In an epoch that the log is not in, everything is lost. */
function answerFromArchive(
  file: LogFile,
  request: Extract<Request, { kind: 'readKept' | 'seekKept' | 'latestKept' }>,
): Answer {
  if (request.kind === 'readKept') {
    const { range } = request;
    const { upTo } = range;
    const lost = { values: [], upTo, lost: upTo, losses: upTo };
    return file.inArchive(range.epoch, (queries) => queries.read(range), lost);
  }
  const { selection } = request;
  if (request.kind === 'latestKept') {
    const latest = (queries: KeptQueries) => ({ values: queries.latest(selection, request.upTo) });
    return file.inArchive(selection.epoch, latest, { values: [] });
  }
  const seek = (queries: KeptQueries) => ({ offset: queries.seek(selection, request.start) });
  return file.inArchive(selection.epoch, seek, { offset: 0 });
}

const owner = new FileOwner(workerData as ThreadOptions, (message) =>
  parentPort?.postMessage(message),
);
parentPort?.on('message', (request: Request) => void owner.handle(request));
