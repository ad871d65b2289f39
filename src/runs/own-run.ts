import type { Logger } from '@nestjs/common';
import { setTimeout as elapse } from 'node:timers/promises';
import type { EventBus } from '../bus/event-bus.js';
import { clientMessageOf } from '../delivery/exception.js';
import { isA, received, renderError, SseError, toError } from '../errors.js';
import { parseCursor, type StreamPosition } from '../log/cursor.js';
import type { Entry, EventRecord } from '../log/entry.js';
import { type Emission, Emissions, isPassing } from './emissions.js';
import type { RunRegistry } from './registry.js';
import type { Run, RunEndStatus } from './run.js';
import { endRecord, registryRecord, type RunEntry } from './run-entry.js';
import { keptFor, newToken, topicOf } from './run-topics.js';
import { checkSource, type RunFactory, type RunSource, SourceReader, toEvent } from './source.js';

/** Milliseconds between two attempts to publish. */
const AGAIN = 100;

/** What clients are told of a run with more than its `maxBytes`. */
const TOO_LARGE = 'The run has more data than is kept of one';

class TooLargeError extends SseError {
  constructor(id: string, maxBytes: number) {
    super(
      'BAD_EVENT',
      `The run ${received(id)} has more than maxBytes (${maxBytes}) bytes: raise it in start() or SseRunsModule.forRoot()`,
    );
  }
}

/** What the runs of an instance have in common. */
export interface OwnRunContext {
  readonly bus: EventBus;
  readonly registry: RunRegistry;
  /** The name of this instance. */
  readonly instance: string;
  /** Milliseconds. */
  readonly lease: number;
  /** Milliseconds that a source has to finish when its run is stopped. */
  readonly stopTimeout: number;
  readonly logger: Logger;
}

/** A run of this instance: takes what its source gives to the log, and says how it ended. */
export class OwnRun {
  readonly run: Run;
  readonly #context: OwnRunContext;
  readonly #topic: string;
  readonly #topics: readonly string[];
  readonly #maxBytes: number;
  readonly #controller = new AbortController();
  readonly #reader: SourceReader;
  readonly #emissions: Emissions;
  /** What its entries are known by; another one after it was not known what had become of some. */
  #token: string;
  /** The last offset that is known to be its own. */
  #confirmed: number;
  /** When it began not to reach the log; undefined if it does. */
  #awaySince: number | undefined;
  /** Why it fails, if something that it emitted was not published. */
  #failure: { readonly error: unknown } | undefined;
  #isFinishing = false;

  constructor(context: OwnRunContext, run: Run, maxBytes: number) {
    this.#context = context;
    this.run = run;
    this.#token = run.claim.token;
    this.#confirmed = run.claim.begin.offset;
    this.#topic = topicOf(run.claim.id);
    this.#topics = Object.freeze([this.#topic]);
    this.#maxBytes = maxBytes;
    this.#emissions = new Emissions(context.bus, this);
    this.#reader = new SourceReader({
      add: (value) => void this.emit(value).catch(() => {}),
      room: () =>
        this.#failure === undefined
          ? this.#emissions.room()
          : Promise.reject(toError(this.#failure.error)),
    });
  }

  get token(): string {
    return this.#token;
  }

  /** Reads the source to its end, and says how that was. Never rejects. */
  async live(source: RunSource | RunFactory): Promise<void> {
    let error: unknown;
    try {
      await Promise.race([this.#givenUp(), this.#consume(source)]);
    } catch (thrown) {
      error = thrown ?? new Error(`The source threw ${String(thrown)}`);
    }
    // One that goes on emitting would never be done.
    this.#isFinishing = true;
    await this.#emissions.settled();
    error = this.#failure?.error ?? error;
    if (this.run.isStopping) await this.#finish('stopped');
    else if (error === undefined) await this.#finish('done');
    else await this.#fail(error);
  }

  emit(value: unknown): Promise<void> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    const { bus } = this.#context;
    const { id } = this.run.claim;
    try {
      const record = bus.encode(this.#topics, toEvent(value));
      const bytes = sizeOf(record);
      if (this.run.bytes + bytes > this.#maxBytes) throw new TooLargeError(id, this.#maxBytes);
      this.run.events++;
      this.run.bytes += bytes;
      return this.#emissions.add(record, bytes);
    } catch (error) {
      this.onFailure(error);
      return Promise.reject(toError(error));
    }
  }

  /** Somebody has asked for its end: the source may finish, for a while. */
  stop(): void {
    this.#controller.abort(
      new SseError('RUN_ENDED', `The run ${received(this.run.claim.id)} is being stopped`),
    );
    setTimeout(() => this.#reader.stop(), this.#context.stopTimeout).unref();
  }

  /** The log says that it has ended, whoever said so: nothing that it emits counts any more. */
  onEnd(): void {
    const error = this.#ended();
    this.#emissions.close(error);
    this.#controller.abort(error);
    this.#reader.stop();
  }

  /** Something that it emitted is not in the log. */
  onFailure(error: unknown): void {
    if (this.run.end === undefined) this.#failure ??= { error };
    this.#controller.abort(error);
  }

  async confirm(place: StreamPosition): Promise<void> {
    await this.#read(place);
    this.#confirmed = place.offset;
  }

  /** Resolves when this instance has read up to a place; rejects if it lies behind the end. */
  async #read(place: StreamPosition): Promise<void> {
    this.#awaySince = undefined;
    await this.#context.registry.whenRead(place);
    const { end, claim } = this.run;
    const isLate = end !== undefined && place.offset > end.place.offset;
    if (isLate || place.epoch !== claim.begin.epoch) throw this.#ended();
  }

  async recover(
    emissions: readonly Emission[],
    error: unknown,
    isUnknown: boolean,
  ): Promise<number> {
    await this.#comeBack(error);
    if (!isUnknown) return 0;
    const next = newToken(keptFor(this.#token));
    const entry: RunEntry = { kind: 'token', token: this.run.claim.token, next };
    const place = await this.#insist(entry, `$run-token.${next}`);
    const known = await this.#entriesBefore(place);
    const isPrefix = known?.every((text, index) => emissions[index]?.record.text === text);
    if (known === undefined || isPrefix !== true) throw error;
    this.#token = next;
    this.#confirmed = place.offset;
    return known.length;
  }

  /** The texts of its entries since the last one that it knows of; undefined if some may have been lost. */
  async #entriesBefore(place: StreamPosition): Promise<string[] | undefined> {
    const { log } = this.#context.bus;
    const { entries, lost } = log.indexOf(this.#topic);
    const hole = log.holeAfter(this.#confirmed);
    const isWhole = lost <= this.#confirmed && (hole === undefined || hole.after >= place.offset);
    if (!isWhole) return this.#archivedBefore(place);
    const texts: string[] = [];
    for (let position = entries.seek(this.#confirmed); ; position++) {
      const entry = entries.at(position);
      if (entry === undefined || entry.offset >= place.offset) return texts;
      if (this.#isOwn(entry)) texts.push(entry.text);
    }
  }

  /** The same where the tail does not have all of them. */
  async #archivedBefore({ epoch, offset }: StreamPosition): Promise<string[] | undefined> {
    const { bus, registry } = this.#context;
    const isWanted = () =>
      !registry.isClosed && this.run.end === undefined && bus.log.epoch === epoch;
    const texts: string[] = [];
    for (let after = this.#confirmed; after < offset;) {
      const page = await bus.readKept(this.#topic, after, offset, isWanted);
      if (page === undefined || !isWanted() || page.lost > this.#confirmed) return undefined;
      texts.push(...page.entries.filter((entry) => this.#isOwn(entry)).map(({ text }) => text));
      after = page.upTo;
    }
    return texts;
  }

  #isOwn({ key }: Entry): boolean {
    return key?.startsWith(this.#token) === true;
  }

  /** Publishes until it is known to be in the log, or has been tried for as long as a lease. */
  async #insist(entry: RunEntry, idempotencyKey: string): Promise<StreamPosition> {
    const { bus } = this.#context;
    const record = registryRecord(entry);
    for (;;) {
      try {
        const place = parseCursor(await bus.order(record, { idempotencyKey }));
        if (place === undefined) throw this.#ended();
        await this.#read(place);
        return place;
      } catch (error) {
        if (!isPassing(error)) throw error;
        await this.#comeBack(error);
      }
    }
  }

  /** Waits before something is published again; rejects when it is away for too long, or has ended. */
  async #comeBack(error: unknown): Promise<void> {
    const now = performance.now();
    this.#awaySince ??= now;
    if (this.run.end !== undefined) throw this.#ended();
    if (now - this.#awaySince > this.#context.lease || this.#context.registry.isClosed) throw error;
    await elapse(AGAIN);
  }

  async #consume(source: RunSource | RunFactory): Promise<void> {
    const { id } = this.run.claim;
    const { signal } = this.#controller;
    const emit = (value: unknown) => {
      const emitted = this.emit(value);
      // Nobody has to wait for it: the run fails by itself.
      emitted.catch(() => {});
      return emitted;
    };
    const found = typeof source === 'function' ? await source({ id, signal, emit }) : source;
    if (found !== undefined)
      await this.#reader.read(checkSource(found, `What ${received(id)} returned`));
  }

  /** Rejects or resolves when there is no point in waiting for the source. */
  #givenUp(): Promise<void> {
    return new Promise((resolve, reject) => {
      const { signal } = this.#controller;
      signal.addEventListener('abort', () => {
        if (this.run.end !== undefined) resolve();
        else if (this.#failure === undefined)
          setTimeout(resolve, this.#context.stopTimeout).unref();
        else {
          const error = toError(this.#failure.error);
          reject(error);
          this.#reader.stop(error);
        }
      });
    });
  }

  #refusal(): SseError | undefined {
    this.#context.registry.readOn();
    const isOver = this.run.end !== undefined || this.#isFinishing || this.#failure !== undefined;
    return isOver ? this.#ended() : undefined;
  }

  #ended(): SseError {
    const { id } = this.run.claim;
    const how = this.run.end === undefined ? 'has ended' : `has ended as '${this.run.end.status}'`;
    return new SseError(
      'RUN_ENDED',
      `The run ${received(id)} ${how}: what it emits is not a part of it`,
    );
  }

  async #fail(error: unknown): Promise<void> {
    if (this.run.end === undefined) {
      const { id } = this.run.claim;
      this.#context.logger.error(`The run ${received(id)} failed`, renderError(error));
    }
    await this.#finish('failed', isA(error, TooLargeError) ? TOO_LARGE : clientMessageOf(error));
  }

  /** Says how it ended, until the log has it; somebody else may have said so first. */
  async #finish(status: RunEndStatus, error?: string): Promise<void> {
    const { bus, registry, instance } = this.#context;
    const { id, token } = this.run.claim;
    const { events, bytes } = this.run;
    const record = endRecord(id, {
      ...{ status, error, token, events, bytes },
      by: instance,
    });
    while (this.run.end === undefined && !registry.isClosed) {
      try {
        const place = parseCursor(await bus.order(record, { idempotencyKey: endKey(token) }));
        if (place !== undefined) await registry.whenRead(place);
        return;
      } catch {
        await elapse(AGAIN);
      }
    }
  }
}

/** Bytes that an event counts for: of its data, its type and its key. */
function sizeOf({ text, type = '', key = '' }: EventRecord): number {
  return Buffer.byteLength(text) + Buffer.byteLength(type) + Buffer.byteLength(key);
}

/** Of all who say how a run ended only the first is heard. */
export function endKey(token: string): string {
  return `$run-end.${token}`;
}
