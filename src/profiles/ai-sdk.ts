import type { SseEvent } from '../log/event.js';
import type { Profile, ProfiledRun, ProfileEnd, ProfileMessage, ProfileWriter } from './profile.js';

interface Chunk {
  readonly type: string;
  readonly [field: string]: unknown;
}

/**
 * The UI message stream of the AI SDK, version 1 (ai-sdk.dev, "Stream Protocols"): every frame is `data:` with a chunk,
 * and the last one `[DONE]`. Its client validates each, and fails at what it does not know.
 */
export const AI_SDK: Profile = {
  headers: { 'x-vercel-ai-ui-message-stream': 'v1' },
  writer: (run) => new AiSdkWriter(run),
};

const LOST = 'The answer was interrupted: the process that wrote it is gone';

class AiSdkWriter implements ProfileWriter {
  readonly #run: ProfiledRun;
  #hasStarted = false;
  /** Whether the source itself has said how its answer ended. */
  #hasEnded = false;
  /** The number of the part that texts go to. */
  #part = 0;
  #isTextOpen = false;

  constructor(run: ProfiledRun) {
    this.#run = run;
  }

  event({ type, data }: SseEvent): readonly ProfileMessage[] {
    if (type === undefined && typeof data === 'string') return this.#text(data).map(toMessage);
    const chunk = toChunk(type, data);
    if (['finish', 'abort', 'error'].includes(chunk.type)) this.#hasEnded = true;
    return [...this.#closeText(), ...this.#start(chunk)].map(toMessage);
  }

  end({ status, error }: ProfileEnd): readonly ProfileMessage[] {
    const chunks = [...this.#closeText(), ...this.#terminal(status, error)];
    return [...chunks.map(toMessage), { data: '[DONE]' }];
  }

  error(message: string): readonly ProfileMessage[] {
    return [...this.#terminal('failed', message).map(toMessage), { data: '[DONE]' }];
  }

  /** A source of plain texts is one text part. */
  #text(delta: string): Chunk[] {
    const chunks: Chunk[] = [];
    if (!this.#isTextOpen) {
      this.#part++;
      this.#isTextOpen = true;
      chunks.push(...this.#start({ type: 'text-start', id: this.#textId }));
    }
    return [...chunks, { type: 'text-delta', id: this.#textId, delta }];
  }

  get #textId(): string {
    return `text-${this.#part}`;
  }

  #closeText(): Chunk[] {
    if (!this.#isTextOpen) return [];
    this.#isTextOpen = false;
    return [{ type: 'text-end', id: this.#textId }];
  }

  /** Begins with a `start` that names the message: with it a client that reads it again replaces what it has. */
  #start(chunk: Chunk): Chunk[] {
    const messageId = `run-${this.#run.key}`;
    if (chunk.type === 'start') {
      this.#hasStarted = true;
      return [{ ...chunk, messageId: chunk['messageId'] ?? messageId }];
    }
    if (this.#hasStarted) return [chunk];
    this.#hasStarted = true;
    return [{ type: 'start', messageId }, chunk];
  }

  #terminal(status: ProfileEnd['status'], error: string | undefined): Chunk[] {
    if (this.#hasEnded) return [];
    this.#hasEnded = true;
    if (status === 'stopped') return [{ type: 'abort', reason: 'stopped' }];
    if (status === 'lost') return [{ type: 'error', errorText: LOST }];
    if (status === 'failed')
      return [{ type: 'error', errorText: error ?? 'Internal server error' }];
    return this.#hasStarted ? [{ type: 'finish' }] : [];
  }
}

/** An event with a type is a data part of that name; one without is a chunk as it is. */
function toChunk(type: string | undefined, data: unknown): Chunk {
  if (type !== undefined) return { type: type.startsWith('data-') ? type : `data-${type}`, data };
  if (typeof data === 'object' && data !== null && typeof (data as Chunk).type === 'string')
    return data as Chunk;
  throw new TypeError(
    "A source that is streamed as 'ai-sdk' yields chunks of a UI message stream, { type: 'text-delta', … }, texts, or events " +
      'with a type',
  );
}

function toMessage(chunk: Chunk): ProfileMessage {
  return { data: JSON.stringify(chunk) };
}
