import type { SseEvent } from '../log/event.js';
import type { Profile, ProfileEnd, ProfileMessage, ProfileWriter } from './profile.js';

interface ResponseEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

const LOST = 'The response was interrupted: the process that wrote it is gone';
const STOPPED = 'The response was stopped';

/** Events after which OpenAI sends nothing of a response any more. */
const TERMINAL = ['response.completed', 'response.failed', 'response.incomplete', 'error'];

/**
 * Streaming of OpenAI's Responses API: each event has its type under `event:`, too, and a `sequence_number`, after which a
 * client that comes back asks to go on (`starting_after`).
 */
export function openai(startingAfter: number | undefined): Profile {
  return { headers: {}, writer: () => new OpenAiWriter(startingAfter ?? -1) };
}

class OpenAiWriter implements ProfileWriter {
  readonly #startingAfter: number;
  #sequenceNumber = -1;
  #hasEnded = false;

  constructor(startingAfter: number) {
    this.#startingAfter = startingAfter;
  }

  event({ data }: SseEvent): readonly ProfileMessage[] {
    const event = data as unknown;
    if (!isResponseEvent(event)) {
      throw new TypeError(
        "A source that is streamed as 'openai' yields events of OpenAI's Responses API, { type: 'response.output_text.delta', … }",
      );
    }
    if (TERMINAL.includes(event.type)) this.#hasEnded = true;
    return this.#write(event);
  }

  end({ status, error }: ProfileEnd): readonly ProfileMessage[] {
    if (this.#hasEnded || status === 'done') return [];
    if (status === 'stopped') return this.#fail('stopped', STOPPED);
    if (status === 'lost') return this.#fail('lost', LOST);
    return this.#fail('server_error', error ?? 'Internal server error');
  }

  /** It has no number of its own: whoever goes on after it goes on after the last event that it has. */
  error(message: string): readonly ProfileMessage[] {
    if (this.#hasEnded) return [];
    this.#hasEnded = true;
    const last = Math.max(this.#sequenceNumber, this.#startingAfter);
    return [toMessage(errorEvent('server_error', message), last)];
  }

  #fail(code: string, message: string): readonly ProfileMessage[] {
    this.#hasEnded = true;
    return this.#write(errorEvent(code, message));
  }

  /** Numbers are those of the source, if it has any: what one response of OpenAI's is handed on with. */
  #write(event: ResponseEvent): readonly ProfileMessage[] {
    const own = event['sequence_number'];
    this.#sequenceNumber = Number.isSafeInteger(own) ? (own as number) : this.#sequenceNumber + 1;
    if (this.#sequenceNumber <= this.#startingAfter) return [];
    return [toMessage(event, this.#sequenceNumber)];
  }
}

function errorEvent(code: string, message: string): ResponseEvent {
  return { type: 'error', code, message, param: null };
}

function toMessage(event: ResponseEvent, number: number): ProfileMessage {
  return { type: event.type, data: JSON.stringify({ ...event, sequence_number: number }) };
}

function isResponseEvent(data: unknown): data is ResponseEvent {
  return (
    typeof data === 'object' && data !== null && typeof (data as ResponseEvent).type === 'string'
  );
}
