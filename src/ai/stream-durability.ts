import { randomUUID } from 'node:crypto';
import { filter, firstValueFrom, timeout } from 'rxjs';
import { received } from '../errors.js';
import type { SseRuns } from '../runs/index.js';
import { ended, Producer } from './producer.js';
import { type ReadOptions, StoredChunks } from './stored-chunks.js';

/** Milliseconds that a reader of a run waits for it to begin, as TanStack AI's own `memoryStream` does. */
const JOIN_TIMEOUT = 100;
/** What a run may be called: clients name theirs. */
const RUN_ID = /^[^\p{Cc}\p{Cs}]{1,512}$/u;
/** What offsets of this adapter begin with. */
const PREFIX = 'run:v1:';

/** A chunk of a run, with the offset after which reading goes on behind it. */
export interface DurableChunk<Chunk> {
  readonly offset: string;
  readonly chunk: Chunk;
}

/** What `StreamDurability` of `@tanstack/ai` asks for. */
export interface RunDurability<Chunk> {
  /** The offset that the request asks to go on after; null for one that produces. */
  resumeFrom: () => string | null;
  /** Resolves with an offset for each chunk, when they are in the log. Rejects as `runs.start` and `emit` do. */
  append: (chunks: Chunk[]) => Promise<string[]>;
  /** What comes after an offset, `'-1'` for the start and `'now'` for the end, until the run has ended. */
  read: (offset: string, signal?: AbortSignal) => AsyncIterable<DurableChunk<Chunk>>;
  /** Ends the run; resolves when the log says so. */
  close: () => Promise<void>;
  /** What is stored now. */
  snapshot: () => Promise<DurableChunk<Chunk>[]>;
}

/** A request as Express, Fastify or the platform has it, or what matters of it. */
export type DurableRequest =
  | Pick<Request, 'headers' | 'url'>
  | {
      readonly headers: Readonly<Record<string, string | string[] | undefined>>;
      readonly url?: string | undefined;
    }
  | { readonly runId: string; readonly offset?: string | null | undefined };

/** Options of {@link streamDurability}. */
export interface StreamDurabilityOptions {
  /** Aborted when the run is stopped, by whomever: the one that `chat()` has. */
  readonly abortController?: AbortController | undefined;
  /** What the ids of its runs begin with, so that no client names a run of something else. Default `''`. */
  readonly prefix?: string | undefined;
}

/**
 * Delivery durability of TanStack AI on runs: `toServerSentEventsResponse(chat(…), { durability: { adapter } })`. The
 * process that appends owns the run; when it dies, readers get an error within the lease, on whichever instance.
 *
 * @throws TypeError for an offset that is none of this adapter's, and for a run's id that is empty, has control characters or
 *   is longer than 512
 */
export function streamDurability<Chunk extends object = object>(
  runs: SseRuns,
  request: DurableRequest,
  options: StreamDurabilityOptions = {},
): RunDurability<Chunk> {
  const durable = new DurableRun<Chunk>(runs, request, options);
  return {
    resumeFrom: () => durable.offset,
    append: (chunks) => durable.append(chunks),
    read: (offset, signal) => durable.read(offset, signal),
    close: () => durable.close(),
    snapshot: () => durable.snapshot(),
  };
}

class DurableRun<Chunk extends object> {
  readonly offset: string | null;
  readonly #runs: SseRuns;
  readonly #runId: string;
  readonly #id: string;
  readonly #options: StreamDurabilityOptions;
  #producer: Promise<Producer> | undefined;
  #written = 0;

  constructor(runs: SseRuns, request: DurableRequest, options: StreamDurabilityOptions) {
    const { offset, runId } = whatIsAsked(request);
    this.offset = offset;
    this.#runs = runs;
    this.#runId = isToken(offset) ? parseOffset(offset).runId : (runId ?? randomUUID());
    if (!RUN_ID.test(this.#runId)) throw new TypeError(`Invalid runId: ${received(this.#runId)}`);
    this.#id = `${options.prefix ?? ''}${this.#runId}`;
    this.#options = options;
  }

  async append(chunks: readonly Chunk[]): Promise<string[]> {
    this.#producer ??= this.#start();
    const producer = await this.#producer;
    const before = this.#written;
    this.#written += chunks.length;
    await Promise.all(chunks.map((chunk) => producer.write(chunk)));
    return chunks.map((_, index) => this.#offsetOf(before + index + 1));
  }

  async *read(offset: string, signal?: AbortSignal): AsyncGenerator<DurableChunk<Chunk>> {
    if (offset !== '-1' && offset !== 'now') this.#check(offset);
    if (!(await this.#mayBegin(!isToken(offset), signal))) return;
    const after =
      offset === 'now' ? (await this.snapshot()).length : isToken(offset) ? numberOf(offset) : 0;
    yield* this.#chunks(after, { signal });
  }

  async close(): Promise<void> {
    const producer = await this.#producer?.catch(() => undefined);
    if (producer === undefined || producer.isEnded) return;
    producer.end();
    await ended(this.#runs, this.#id);
  }

  async snapshot(): Promise<DurableChunk<Chunk>[]> {
    if ((await this.#runs.find(this.#id)) === undefined) return [];
    const chunks: DurableChunk<Chunk>[] = [];
    for await (const chunk of this.#chunks(0, { isSnapshot: true })) chunks.push(chunk);
    return chunks;
  }

  async *#chunks(after: number, options: ReadOptions): AsyncGenerator<DurableChunk<Chunk>> {
    for await (const { number, data } of new StoredChunks(this.#runs, this.#id, options)) {
      if (number > after) yield { offset: this.#offsetOf(number), chunk: data as Chunk };
    }
  }

  async #start(): Promise<Producer> {
    const producer = await Producer.start(this.#runs, this.#id, { onExisting: 'reject' });
    if (producer === undefined) throw new Error(`There is a run '${this.#runId}' already`);
    const { abortController } = this.#options;
    producer.signal.addEventListener('abort', () => {
      // One that ended by itself has nobody to stop.
      if (!producer.isEnded) abortController?.abort(producer.signal.reason);
    });
    return producer;
  }

  /** False if nobody waits any more. A reader that begins at the start may have come before the run. */
  async #mayBegin(mayWait: boolean, signal: AbortSignal | undefined): Promise<boolean> {
    const id = this.#id;
    const started = this.#runs.events$.pipe(
      filter(({ type, run }) => type === 'started' && run.id === id),
      timeout(JOIN_TIMEOUT),
    );
    const begun = mayWait ? firstValueFrom(started) : Promise.reject(new Error());
    begun.catch(() => {});
    if ((await this.#runs.find(id)) !== undefined) return true;
    try {
      await Promise.race([begun, aborted(signal)]);
      return signal?.aborted !== true;
    } catch {
      throw new Error(`Nobody knows a run '${this.#runId}', or no longer`);
    }
  }

  #check(offset: string): void {
    const { runId } = parseOffset(offset);
    if (runId !== this.#runId)
      throw new TypeError(`The offset is one of run '${runId}', and not of '${this.#runId}'`);
  }

  #offsetOf(number: number): string {
    return `${PREFIX}${encodeURIComponent(this.#runId)}:${number}`;
  }
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) resolve();
    else signal?.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Whether it names a place, and not the start or the end. */
function isToken(offset: string | null): offset is string {
  return offset !== null && offset !== '-1' && offset !== 'now';
}

function numberOf(offset: string): number {
  return parseOffset(offset).number;
}

function parseOffset(offset: string): { runId: string; number: number } {
  const [, runId, digits] = /^run:v1:([^:]+):([1-9][0-9]{0,14})$/.exec(offset) ?? [];
  if (runId === undefined) throw new TypeError(`'${offset}' is no offset of a run`);
  return { runId: decodeURIComponent(runId), number: Number(digits) };
}

/** As TanStack AI's clients ask: `Last-Event-ID` or `?offset=`, and `X-Run-Id` or `?runId=`. */
function whatIsAsked(request: DurableRequest): { offset: string | null; runId: string | null } {
  if ('runId' in request) return { offset: request.offset ?? null, runId: request.runId };
  const { headers, url = '' } = request;
  const header = (name: string): string | null => {
    const value = isHeaders(headers) ? headers.get(name) : headers[name];
    return (Array.isArray(value) ? value[0] : value) || null;
  };
  const query = new URL(url, 'http://localhost').searchParams;
  return {
    offset: header('last-event-id') ?? query.get('offset'),
    runId: header('x-run-id') ?? (query.get('runId') || null),
  };
}

function isHeaders(headers: object): headers is Headers {
  return 'get' in headers && typeof headers.get === 'function';
}
