import { connect, type Socket } from 'node:net';
import type { INestApplication } from '@nestjs/common';
import { urlOf } from './each-adapter.js';
import { until } from './until.js';

/** One answer as it came over the wire, its chunks put together. */
export interface RawResponse {
  readonly head: string;
  readonly body: string;
  /** Whether the answer came to its end. */
  readonly isComplete: boolean;
}

/** A client that shows the bytes of HTTP/1.x. */
export class RawClient {
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);
  isClosed = false;

  /** @param app or its URL, for one that may have stopped to listen */
  constructor(app: INestApplication | string, request: string) {
    const url = typeof app === 'string' ? app : urlOf(app);
    this.#socket = connect(Number(new URL(url).port), '127.0.0.1');
    this.#socket.on('data', (bytes) => (this.#bytes = Buffer.concat([this.#bytes, bytes])));
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => (this.isClosed = true));
    this.#socket.write(request);
  }

  /** All answers so far, in order. Throws if the framing is not that of RFC 9112. */
  get responses(): RawResponse[] {
    const responses: RawResponse[] = [];
    let rest = this.#bytes.toString('latin1');
    while (rest !== '') {
      const end = rest.indexOf('\r\n\r\n');
      if (end < 0) break;
      const head = rest.slice(0, end);
      rest = rest.slice(end + 4);
      let body: string;
      let isComplete: boolean;
      const length = /^content-length: (\d+)$/im.exec(head)?.[1];
      if (/^transfer-encoding: chunked$/im.test(head)) {
        [body, rest, isComplete] = unchunk(rest);
      } else if (length !== undefined) {
        body = rest.slice(0, Number(length));
        isComplete = body.length === Number(length);
        rest = rest.slice(body.length);
      } else {
        [body, rest, isComplete] = [rest, '', this.isClosed];
      }
      responses.push({ head, body: Buffer.from(body, 'latin1').toString('utf8'), isComplete });
    }
    return responses;
  }

  /** Waits for an answer whose body holds a text. */
  async has(text: string, index = 0): Promise<RawResponse> {
    let response: RawResponse | undefined;
    await until(`'${text}'`, () => {
      response = this.responses[index];
      return response?.body.includes(text) === true;
    });
    if (response === undefined) throw new Error('No answer');
    return response;
  }

  send(request: string): void {
    this.#socket.write(request);
  }

  close(): void {
    this.#socket.destroy();
  }
}

function unchunk(text: string): [body: string, rest: string, isComplete: boolean] {
  let body = '';
  let rest = text;
  for (;;) {
    const line = rest.indexOf('\r\n');
    if (line < 0) return [body, '', false];
    const size = rest.slice(0, line);
    if (!/^[0-9a-f]+$/i.test(size)) throw new Error(`Not the size of a chunk: '${size}'`);
    const length = parseInt(size, 16);
    const end = line + 2 + length;
    if (rest.length < end + 2) return [body + rest.slice(line + 2, end), '', false];
    if (rest.slice(end, end + 2) !== '\r\n') throw new Error(`A chunk of ${length} does not end`);
    body += rest.slice(line + 2, end);
    rest = rest.slice(end + 2);
    if (length === 0) return [body, rest, true];
  }
}
