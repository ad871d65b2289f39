import { NotFoundException } from '@nestjs/common';
import type { EventBus } from '../bus/event-bus.js';
import { received } from '../errors.js';
import type { Entry } from '../log/entry.js';
import type { ReplayMerge } from '../reader/neighbours.js';
import type { StreamPosition } from '../log/cursor.js';
import type { Span, SpanSource, StreamPlan } from '../reader/stream-options.js';
import type { Merge, Merges } from './merges.js';
import type { RunRegistry } from './registry.js';
import type { Run } from './run.js';
import type { UnknownRun } from './stream-options.js';

/** What somebody reads of the runs of an id. */
export interface RunReading {
  readonly id: string;
  /** What is read if there is nothing to read. */
  readonly unknown: UnknownRun;
  readonly merge?: Merge | undefined;
  /** Takes what is to be done when nothing is read any more. */
  readonly onClose: (work: () => void) => void;
}

/** What all who read runs of an instance have in common. */
export interface RunReadingContext {
  readonly bus: EventBus;
  readonly registry: RunRegistry;
  readonly merges: Merges;
}

/** The run that one client reads: the part of its topic from its claim to its end. */
export class RunSpan implements SpanSource {
  readonly merge: ReplayMerge | undefined;
  readonly #reading: RunReading;
  readonly #context: RunReadingContext;
  #run: Run | undefined;
  /** Whether the log was asked for what others may know already. */
  #hasAsked = false;
  #isWaiting = false;

  constructor(reading: RunReading, context: RunReadingContext) {
    this.#reading = reading;
    this.#context = context;
    const { merge } = reading;
    this.merge = merge && context.merges.of(merge, () => this.#run);
  }

  get plan(): StreamPlan {
    return {
      from: 'start',
      snapshot: undefined,
      latestPerKey: false,
      notBefore: undefined,
      announce: false,
      where: undefined,
      until: undefined,
      span: this,
    };
  }

  isKnownUpTo(place: StreamPosition, onKnown: () => void): boolean {
    const { registry } = this.#context;
    if (registry.hasRead(place)) return true;
    if (!this.#isWaiting) {
      this.#isWaiting = true;
      void registry.whenRead(place).then(() => {
        this.#isWaiting = false;
        onKnown();
      });
    }
    return false;
  }

  admits(entry: Entry): boolean {
    const { registry } = this.#context;
    // The log has gone: what there is of the run now is in another one.
    if (entry.epoch !== this.#run?.claim.begin.epoch) this.#follow(registry.get(this.#reading.id));
    return this.#run?.admits(entry) === true;
  }

  isLast(entry: Entry): boolean {
    return entry.type === 'run-end' && this.admits(entry);
  }

  knownUpTo(epoch: string): number {
    return this.#context.registry.readUpTo(epoch);
  }

  goesOnWith(entry: Entry): boolean {
    return entry.type !== 'run-end' && this.#run?.admits(entry) === true;
  }

  find(onKnown: () => void, resumed?: StreamPosition): Span | 'gone' | Error | undefined {
    const { registry, bus } = this.#context;
    if (!registry.isLoaded) {
      void registry.whenLoaded().then(onKnown);
      return undefined;
    }
    const { id } = this.#reading;
    // Who has a part of a run that was replaced has to know how that ended.
    const last = registry.get(id);
    this.#follow((resumed && registry.partlyReadAt(id, resumed)) ?? last);
    const run = this.#run;
    // One that has ended may have been replaced by now, which others may know already.
    if (run !== undefined && (run.end === undefined || this.#hasAsked))
      return { begin: run.claim.begin, end: run.end?.place };
    if (this.#hasAsked) return this.#findNothing();
    this.#hasAsked = true;
    void bus.catchUp().then(onKnown);
    return undefined;
  }

  #findNothing(): Span | 'gone' | Error {
    const { id, unknown, onClose } = this.#reading;
    if (unknown === 204) return 'gone';
    if (unknown === 404) return new NotFoundException(`There is no run ${received(id)}`);
    const { registry, bus } = this.#context;
    onClose(registry.awaitStart(id, (run) => this.#follow(run)));
    // Whatever is known of the id was read up to here: if one starts, it is behind that.
    const { epoch, head } = bus.log;
    return { begin: { epoch, offset: head }, end: undefined };
  }

  #follow(next: Run | undefined): void {
    if (next === undefined || next === this.#run) return;
    if (this.#run !== undefined) this.#run.readers--;
    this.#run = next;
    next.readers++;
    this.#reading.onClose(() => {
      if (next === this.#run) next.readers--;
    });
  }
}
