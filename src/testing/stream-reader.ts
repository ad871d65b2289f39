import { frameReader } from '../client/frames.js';
import type { ReceivedEvent } from './event-queue.js';

/** Reads `text/event-stream` as the client does, and keeps what a test may want to see. */
export class StreamReader {
  readonly #decoder = new TextDecoder();
  readonly #framesIn = frameReader((retry) => {
    this.#retry = retry;
  });
  readonly #onEvent: (event: ReceivedEvent) => void;
  #text = '';
  #lastEventId = '';
  #retry: number | undefined;

  constructor(onEvent: (event: ReceivedEvent) => void) {
    this.#onEvent = onEvent;
  }

  get lastEventId(): string {
    return this.#lastEventId;
  }

  get retry(): number | undefined {
    return this.#retry;
  }

  get comments(): number {
    return this.#text.match(/(?:^|[\r\n]):/g)?.length ?? 0;
  }

  get text(): string {
    return this.#text;
  }

  read(bytes: Uint8Array): void {
    this.#text += this.#decoder.decode(bytes, { stream: true });
    for (const { id = this.#lastEventId, type, data } of this.#framesIn(bytes)) {
      this.#lastEventId = id;
      if (data === undefined) continue;
      this.#onEvent({ type, data, lastEventId: id, json: () => JSON.parse(data) as unknown });
    }
  }
}
