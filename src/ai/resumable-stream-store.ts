import { setTimeout as elapse } from 'node:timers/promises';
import { randomUUID } from 'node:crypto';
import { EMPTY } from 'rxjs';
import { isA, SseError } from '../errors.js';
import type { RunInfo, SseRuns } from '../runs/index.js';
import { ended, Producer } from './producer.js';
import { StoredChunks } from './stored-chunks.js';

/** What a stream is called, as assistant-ui has it. */
const STREAM_ID = /^[A-Za-z0-9_.:-]{1,256}$/;

/** Bytes of a stream, with the cursor after which reading goes on behind them. */
export interface StoredBytes {
  readonly cursor: string;
  readonly chunk: Uint8Array;
}

/** Who writes a stream, and who reads what another writes. */
export type ResumableStreamAcquisition =
  | { readonly role: 'producer'; readonly lease: { readonly token: string } }
  | { readonly role: 'consumer' };

/** What `ResumableStreamStore` of assistant-ui (`assistant-stream/resumable`) asks for. */
export interface RunStreamStore {
  acquire(
    streamId: string,
    options?: { readonly ttlMs?: number },
  ): Promise<'producer' | 'consumer'>;
  acquireLease(
    streamId: string,
    options?: { readonly ttlMs?: number },
  ): Promise<ResumableStreamAcquisition>;
  append(streamId: string, chunk: Uint8Array, lease?: { readonly token: string }): Promise<void>;
  finalize(
    streamId: string,
    status: 'done' | 'error',
    error?: string,
    lease?: { readonly token: string },
  ): Promise<boolean>;
  read(streamId: string, cursor: string, signal: AbortSignal): AsyncIterable<StoredBytes>;
  status(streamId: string): Promise<'streaming' | 'done' | 'error' | 'missing'>;
  delete(streamId: string): Promise<void>;
}

/** Options of {@link resumableStreamStore}. */
export interface ResumableStreamStoreOptions {
  /** What the ids of its runs begin with. Default `''`. */
  readonly prefix?: string | undefined;
}

/** As assistant-ui's own of the same name. */
export class ResumableStreamError extends Error {
  override readonly name = 'ResumableStreamError';

  constructor(
    readonly code: 'missing' | 'finalized' | 'invalid-id',
    message: string,
  ) {
    super(message);
  }
}

/**
 * assistant-ui's store of resumable streams on runs: `createResumableStreamContext({ store })`. Whoever acquires a stream
 * owns it; when its process dies, readers get an error within the lease, and `delete` makes room for another. `ttlMs` counts
 * from the end of a stream, and is at most `keepFor` of `SseRunsModule`.
 */
export function resumableStreamStore(
  runs: SseRuns,
  { prefix = '' }: ResumableStreamStoreOptions = {},
): RunStreamStore {
  const streams = new ResumableStreams(runs, prefix);
  // Each can be taken off and called by itself.
  return {
    acquire: (...given) => streams.acquire(...given),
    acquireLease: (...given) => streams.acquireLease(...given),
    append: (...given) => streams.append(...given),
    finalize: (...given) => streams.finalize(...given),
    read: (...given) => streams.read(...given),
    status: (streamId) => streams.status(streamId),
    delete: (streamId) => streams.delete(streamId),
  };
}

interface Acquired {
  readonly token: string;
  readonly producer: Producer;
}

class ResumableStreams implements RunStreamStore {
  readonly #runs: SseRuns;
  readonly #prefix: string;
  /** Streams that this process writes: the last acquisition of each. */
  readonly #acquired = new Map<string, Acquired>();

  constructor(runs: SseRuns, prefix: string) {
    this.#runs = runs;
    this.#prefix = prefix;
  }

  async acquire(
    streamId: string,
    options?: { readonly ttlMs?: number },
  ): Promise<'producer' | 'consumer'> {
    return (await this.acquireLease(streamId, options)).role;
  }

  async acquireLease(
    streamId: string,
    { ttlMs }: { readonly ttlMs?: number } = {},
  ): Promise<ResumableStreamAcquisition> {
    const options = { onExisting: 'join', ...(ttlMs !== undefined && { keepFor: ttlMs }) } as const;
    const producer = await Producer.start(this.#runs, this.#idOf(streamId), options);
    if (producer === undefined) return { role: 'consumer' };
    const token = randomUUID();
    const acquired = { token, producer };
    this.#acquired.set(streamId, acquired);
    void ended(this.#runs, this.#idOf(streamId)).then(() => {
      if (this.#acquired.get(streamId) === acquired) this.#acquired.delete(streamId);
    });
    return { role: 'producer', lease: { token } };
  }

  async append(
    streamId: string,
    chunk: Uint8Array,
    lease?: { readonly token: string },
  ): Promise<void> {
    const data = Buffer.from(chunk).toString('base64');
    const acquired = this.#ownerOf(streamId, lease);
    if (acquired === undefined) throw await this.#refusal(streamId, lease);
    try {
      await acquired.producer.write(data);
    } catch (error) {
      if (!isA(error, SseError) || error.code !== 'RUN_ENDED') throw error;
      throw await this.#refusal(streamId, lease);
    }
  }

  async finalize(
    streamId: string,
    status: 'done' | 'error',
    error?: string,
    lease?: { readonly token: string },
  ): Promise<boolean> {
    const found = await this.#find(streamId);
    if (found === undefined) throw notFound(streamId);
    const acquired = this.#ownerOf(streamId, lease);
    if (acquired === undefined || found.status !== 'live' || acquired.producer.isEnded)
      return false;
    acquired.producer.end(status === 'error' ? (error ?? 'Stream errored') : undefined);
    const run = await ended(this.#runs, this.#idOf(streamId));
    return run?.status === (status === 'error' ? 'failed' : 'done');
  }

  async *read(streamId: string, cursor: string, signal: AbortSignal): AsyncGenerator<StoredBytes> {
    if ((await this.#find(streamId)) === undefined) throw notFound(streamId);
    const after = cursor === '' ? undefined : cursor;
    const chunks = new StoredChunks(this.#runs, this.#idOf(streamId), { after, signal });
    for await (const { cursor: place, data } of chunks) {
      // A copy of its own: small Buffers share their memory.
      yield { cursor: place, chunk: new Uint8Array(Buffer.from(String(data), 'base64')) };
    }
  }

  async status(streamId: string): Promise<'streaming' | 'done' | 'error' | 'missing'> {
    switch ((await this.#find(streamId))?.status) {
      case undefined:
        return 'missing';
      case 'live':
        return 'streaming';
      case 'failed':
      case 'lost':
        return 'error';
      case 'done':
      case 'stopped':
        return 'done';
    }
  }

  /** In its place comes a run of nothing, that is not kept; other instances know it when they have read so. */
  async delete(streamId: string): Promise<void> {
    if ((await this.#find(streamId)) === undefined) return;
    const id = this.#idOf(streamId);
    this.#acquired.delete(streamId);
    await this.#runs.start(id, EMPTY, { onExisting: 'replace', keepFor: 1 });
    while (this.#runs.get(id) !== undefined) await elapse(1);
  }

  #idOf(streamId: string): string {
    if (STREAM_ID.test(streamId)) return `${this.#prefix}${streamId}`;
    throw new ResumableStreamError(
      'invalid-id',
      `Invalid streamId: ${streamId} (must match ${STREAM_ID})`,
    );
  }

  #find(streamId: string): Promise<RunInfo | undefined> {
    return this.#runs.find(this.#idOf(streamId));
  }

  #ownerOf(streamId: string, lease: { readonly token: string } | undefined): Acquired | undefined {
    const acquired = this.#acquired.get(streamId);
    return lease === undefined || acquired?.token === lease.token ? acquired : undefined;
  }

  /** Why nothing can be appended. */
  async #refusal(streamId: string, lease: { readonly token: string } | undefined): Promise<Error> {
    const found = await this.#find(streamId);
    if (found === undefined) return notFound(streamId);
    const acquired = this.#acquired.get(streamId);
    const isSuperseded =
      found.status === 'live' && (acquired === undefined || acquired.token !== lease?.token);
    return isSuperseded
      ? new ResumableStreamError('missing', `Stream superseded by a new acquisition: ${streamId}`)
      : new ResumableStreamError('finalized', `Stream already finalized: ${streamId}`);
  }
}

function notFound(streamId: string): ResumableStreamError {
  return new ResumableStreamError('missing', `Stream not found: ${streamId}`);
}
