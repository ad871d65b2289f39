import type { Subscription } from 'rxjs';
import type { EventBus } from '../bus/event-bus.js';
import type { StreamPosition } from '../log/cursor.js';
import type { Entry } from '../log/entry.js';
import type { TopicIndex } from '../log/topic-index.js';
import { REGISTRY_TOPIC } from './run-topics.js';

/** Told of the entries of the registry. */
export interface RegistryReader {
  /** The next one. */
  take(entry: Entry): void;
  /** The log has gone, and another one has taken its place. */
  onLogLost(epoch: string): void;
  /** What there was up to a later position than before has been taken. */
  onRead(): void;
}

/**
 * The entries that say what became of runs, each once, in their order: from the tail, as far as that reaches back, and
 * what came before, or was missing in the middle, from the archive.
 */
export class RegistryLog {
  readonly #bus: EventBus;
  readonly #reader: RegistryReader;
  readonly #index: TopicIndex;
  readonly #subscription: Subscription;
  #epoch = '';
  #position = 0;
  /** The head of the log when that was all there was; before any log there is nothing to see. */
  #seen = 0;
  #isLoaded = false;
  #isAsking = false;
  #isClosed = false;
  #waiting: (() => void)[] = [];

  constructor(bus: EventBus, reader: RegistryReader) {
    this.#bus = bus;
    this.#reader = reader;
    // It is there as long as somebody reads it.
    this.#index = bus.log.indexOf(REGISTRY_TOPIC);
    this.#subscription = bus.changes(REGISTRY_TOPIC).subscribe(() => this.readOn());
  }

  /** Whether all that there was has been taken; it is so again when something that was missing is there. */
  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /** Up to where entries were taken. */
  get position(): StreamPosition {
    return { epoch: this.#epoch, offset: this.#position };
  }

  whenLoaded(): Promise<void> {
    this.readOn();
    if (this.#isLoaded || this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Takes what the log has by now. */
  readOn(): void {
    const { epoch, head } = this.#bus.log;
    if (epoch !== this.#epoch) this.#begin(epoch);
    else if (head === this.#seen) return;
    if (this.#isClosed || this.#isAsking) return;
    if (this.#isCutOff) void this.#ask();
    else this.#readTail();
  }

  close(): void {
    this.#isClosed = true;
    this.#subscription.unsubscribe();
    this.#tell();
  }

  #begin(epoch: string): void {
    const hadAny = this.#epoch !== '';
    this.#epoch = epoch;
    this.#position = 0;
    this.#seen = -1;
    this.#isLoaded = false;
    if (hadAny) this.#reader.onLogLost(epoch);
  }

  /** Whether the tail does not have what comes next. */
  get #isCutOff(): boolean {
    const { log } = this.#bus;
    return this.#index.lost > this.#position || log.holeAfter(this.#position) !== undefined;
  }

  #readTail(): void {
    const { entries } = this.#index;
    const { head } = this.#bus.log;
    for (let at = entries.seek(this.#position); ; at++) {
      const entry = entries.at(at);
      if (entry === undefined) break;
      this.#position = entry.offset;
      this.#reader.take(entry);
    }
    this.#position = this.#seen = head;
    this.#isLoaded = true;
    this.#tell();
    this.#reader.onRead();
  }

  /** Reads from the archive what the tail does not have. */
  async #ask(): Promise<void> {
    this.#isAsking = true;
    this.#isLoaded = false;
    this.#seen = -1;
    const epoch = this.#epoch;
    const isWanted = () => !this.#isClosed && this.#bus.log.epoch === epoch;
    const upTo = this.#bus.log.head;
    while (isWanted() && this.#position < upTo) {
      const page = await this.#bus.readKept(REGISTRY_TOPIC, this.#position, upTo, isWanted);
      if (!isWanted()) break;
      // Without an archive the tail is all that there is.
      if (page === undefined) this.#position = this.#oldest;
      else {
        for (const entry of page.entries) this.#reader.take(entry);
        this.#position = page.upTo;
        this.#reader.onRead();
      }
      if (page === undefined) break;
    }
    this.#isAsking = false;
    this.#resume(epoch);
  }

  #resume(epoch: string): void {
    if (this.#isClosed) return;
    if (this.#bus.log.epoch !== epoch) this.readOn();
    else if (this.#isCutOff) void this.#ask();
    else this.#readTail();
  }

  get #oldest(): number {
    const { log } = this.#bus;
    let oldest = Math.max(this.#position, this.#index.lost);
    for (;;) {
      const hole = log.holeAfter(oldest);
      if (hole === undefined) return oldest;
      oldest = hole.upTo;
    }
  }

  #tell(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
