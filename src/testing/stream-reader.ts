import { createParser, type EventSourceParser } from 'eventsource-parser';
import type { ReceivedEvent } from './event-queue.js';

/** Reads `text/event-stream` as an EventSource does. */
export class StreamReader {
  readonly #parser: EventSourceParser;
  #text = '';
  #line = '';
  #idBuffer = '';
  #lastEventId = '';
  #retry: number | undefined;
  #comments = 0;

  constructor(onEvent: (event: ReceivedEvent) => void) {
    this.#parser = createParser({
      onEvent: ({ event = 'message', data }) => {
        const lastEventId = this.#lastEventId;
        onEvent({ type: event, data, lastEventId, json: () => JSON.parse(data) as unknown });
      },
      onRetry: (retry) => {
        this.#retry = retry;
      },
      onComment: () => {
        this.#comments++;
      },
    });
  }

  get lastEventId(): string {
    return this.#lastEventId;
  }

  get retry(): number | undefined {
    return this.#retry;
  }

  get comments(): number {
    return this.#comments;
  }

  get text(): string {
    return this.#text;
  }

  read(text: string): void {
    this.#text += text;
    const lines = (this.#line + text).split('\n');
    this.#line = lines.pop() ?? '';
    for (const line of lines) this.#readLine(line.replace(/\r$/, ''));
  }

  /** The parser says nothing of a frame without data, whose id counts all the same (WHATWG HTML 9.2.6). */
  #readLine(line: string): void {
    if (line === '') this.#lastEventId = this.#idBuffer;
    else if (line.startsWith('id:')) this.#idBuffer = line.slice(3).replace(/^ /, '');
    this.#parser.feed(`${line}\n`);
  }
}
