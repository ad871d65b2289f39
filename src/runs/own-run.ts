import { type Logger } from '@nestjs/common';
import { setTimeout as elapse } from 'node:timers/promises';
import type { EventBus } from '../bus/event-bus.js';
import { clientMessageOf } from '../delivery/exception.js';
import { isA, renderError, SseError } from '../errors.js';
import { type Cursor, parseCursor } from '../log/cursor.js';
import type { RunRegistry } from './registry.js';
import type { Run, RunEndStatus } from './run.js';
import { endRecord } from './run-entry.js';
import type { RunTopics } from './run-topics.js';
import { checkSource, type RunFactory, type RunSource, SourceReader, toEvent } from './source.js';

/** What is on its way to the log before a source is asked for more: events, and bytes. */
const MAX_PENDING = 256;
const MAX_PENDING_BYTES = 262_144;
/** Milliseconds that a source has to finish when its run is stopped. */
const GRACE = 1_000;
/** Milliseconds between two attempts to say how a run ended. */
const AGAIN = 250;

/** What clients are told of a run with more than its `maxBytes`. */
const TOO_LARGE = 'The run has more data than is kept of one';

class TooLargeError extends SseError {
  constructor(id: string, maxBytes: number) {
    super(
      'BAD_EVENT',
      `The run '${id}' has more than maxBytes (${maxBytes}) bytes of data: raise it in start() or SseRunsModule.forRoot()`,
    );
  }
}

/** What the runs of an instance have in common. */
export interface OwnRunContext {
  readonly bus: EventBus;
  readonly topics: RunTopics;
  readonly registry: RunRegistry;
  /** The name of this instance. */
  readonly instance: string;
  readonly logger: Logger;
}

/** A run of this instance: takes what its source gives to the log, and says how it ended. */
export class OwnRun {
  readonly run: Run;
  readonly #context: OwnRunContext;
  readonly #topics: readonly string[];
  readonly #maxBytes: number;
  readonly #controller = new AbortController();
  readonly #reader: SourceReader;
  #pending = 0;
  #pendingBytes = 0;
  /** Why it fails, if something that it emitted was not published. */
  #failure: { readonly error: unknown } | undefined;
  #isFinishing = false;
  #onRoom: (() => void)[] = [];

  constructor(context: OwnRunContext, run: Run, maxBytes: number) {
    this.#context = context;
    this.run = run;
    this.#topics = Object.freeze([context.topics.of(run.claim.id)]);
    this.#maxBytes = maxBytes;
    this.#reader = new SourceReader({
      add: (value) => void this.emit(value).catch(() => {}),
      room: () => this.#room(),
    });
  }

  /** Reads the source to its end, and says how that was. Never rejects. */
  async live(source: RunSource | RunFactory): Promise<void> {
    try {
      await Promise.race([this.#givenUp(), this.#read(source)]);
      await this.#settled();
      await this.#finish(this.run.isStopping ? 'stopped' : 'done');
    } catch (error) {
      await this.#settled().catch(() => {});
      if (this.run.isStopping) await this.#finish('stopped');
      else await this.#fail(error);
    }
  }

  emit(value: unknown): Promise<void> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    const { bus } = this.#context;
    let bytes: number;
    let publication: Promise<Cursor>;
    try {
      const record = bus.encode(this.#topics, toEvent(value));
      const { id, token } = this.run.claim;
      bytes = Buffer.byteLength(record.text);
      if (this.run.bytes + bytes > this.#maxBytes) throw new TooLargeError(id, this.#maxBytes);
      const key = record.key === undefined ? token : `${token}.${record.key}`;
      publication = bus.order({ ...record, key });
    } catch (error) {
      this.#failure ??= { error };
      this.#controller.abort(error);
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
    this.run.events++;
    this.run.bytes += bytes;
    this.#pending++;
    this.#pendingBytes += bytes;
    const confirmed = this.#confirmed(publication, bytes);
    confirmed.catch(() => {});
    return confirmed;
  }

  /** Somebody has asked for its end: the source may finish, for a while. */
  stop(): void {
    this.#controller.abort(
      new SseError('RUN_ENDED', `The run '${this.run.claim.id}' is being stopped`),
    );
    setTimeout(() => this.#reader.stop(), GRACE).unref();
  }

  /** The log says that it has ended, whoever said so: nothing that it emits counts any more. */
  onEnd(): void {
    const error = this.#ended();
    this.#controller.abort(error);
    this.#reader.stop();
    for (const resolve of this.#onRoom.splice(0)) resolve();
  }

  async #read(source: RunSource | RunFactory): Promise<void> {
    const { id } = this.run.claim;
    const { signal } = this.#controller;
    const context = { id, signal, emit: (value: unknown) => this.emit(value) };
    const found = typeof source === 'function' ? await source(context) : source;
    if (found !== undefined) await this.#reader.read(checkSource(found, `What '${id}' returned`));
  }

  /** Rejects or resolves when there is no point in waiting for the source. */
  #givenUp(): Promise<void> {
    return new Promise((resolve, reject) => {
      const { signal } = this.#controller;
      signal.addEventListener('abort', () => {
        if (this.#failure !== undefined) reject(toError(this.#failure.error));
        else if (this.run.end !== undefined) resolve();
        else setTimeout(resolve, GRACE).unref();
      });
    });
  }

  async #confirmed(publication: Promise<Cursor>, bytes: number): Promise<void> {
    try {
      const place = parseCursor(await publication);
      if (place === undefined) return;
      const { registry } = this.#context;
      await registry.reached(place.offset);
      registry.readOn();
      const { end } = this.run;
      const isLate = end !== undefined && place.offset > end.place.offset;
      if (isLate || place.epoch !== this.run.claim.begin.epoch) throw this.#ended();
    } catch (error) {
      if (this.run.end === undefined) this.#failure ??= { error };
      this.#controller.abort(error);
      throw error;
    } finally {
      this.#pending--;
      this.#pendingBytes -= bytes;
      for (const resolve of this.#onRoom.splice(0)) resolve();
    }
  }

  #room(): Promise<void> | undefined {
    if (this.#failure !== undefined) return Promise.reject(toError(this.#failure.error));
    if (this.#pending < MAX_PENDING && this.#pendingBytes < MAX_PENDING_BYTES) return undefined;
    return new Promise<void>((resolve) => this.#onRoom.push(resolve)).then(() => this.#room());
  }

  /** Resolves when nothing is on its way; rejects if something was not published. */
  async #settled(): Promise<void> {
    while (this.#pending > 0 && this.run.end === undefined) {
      await new Promise<void>((resolve) => this.#onRoom.push(resolve));
    }
    if (this.#failure !== undefined) throw toError(this.#failure.error);
  }

  #refusal(): SseError | undefined {
    this.#context.registry.readOn();
    const isOver = this.run.end !== undefined || this.#isFinishing || this.#failure !== undefined;
    return isOver ? this.#ended() : undefined;
  }

  #ended(): SseError {
    const { id } = this.run.claim;
    const how = this.run.end === undefined ? 'has ended' : `has ended as '${this.run.end.status}'`;
    return new SseError('RUN_ENDED', `The run '${id}' ${how}: what it emits is not a part of it`);
  }

  async #fail(error: unknown): Promise<void> {
    if (this.run.end === undefined) {
      const { id } = this.run.claim;
      this.#context.logger.error(`The run '${id}' failed`, renderError(error));
    }
    await this.#finish('failed', isA(error, TooLargeError) ? TOO_LARGE : clientMessageOf(error));
  }

  /** Says how it ended, until the log has it; somebody else may have said so first. */
  async #finish(status: RunEndStatus, error?: string): Promise<void> {
    this.#isFinishing = true;
    const { bus, topics, registry, instance } = this.#context;
    const { id, token } = this.run.claim;
    const { events, bytes } = this.run;
    const record = endRecord([topics.of(id), topics.registry], {
      ...{ status, error, token, events, bytes },
      by: instance,
    });
    while (this.run.end === undefined && !registry.isClosed) {
      try {
        const place = parseCursor(await bus.order(record, { idempotencyKey: endKey(token) }));
        await registry.reached(place?.offset ?? 0);
        registry.readOn();
        return;
      } catch {
        await elapse(AGAIN);
      }
    }
  }
}

/** Of all who say how a run ended only the first is heard. */
export function endKey(token: string): string {
  return `$run-end.${token}`;
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
