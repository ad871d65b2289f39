import { OutgoingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type HttpResponse, isHttp2 } from './http.js';
import type { JoinedFrames } from './joined-frames.js';

/** Writes to the body of one response. */
export interface BodyWriter {
  /** Bytes that were written and not yet taken by the kernel. */
  readonly unsent: number;
  /** The same to the byte, if the platform tells: it shrinks while a large write is being taken. */
  readonly queued: number;
  /** @param onTaken called when these bytes have been taken, or never */
  write(frames: JoinedFrames, onTaken: (() => void) | undefined): void;
}

/**
 * Decides how to write, once, when the headers are out: straight to the socket if nobody can notice,
 * through the response otherwise.
 */
export function bodyWriter(response: HttpResponse): BodyWriter {
  if (!isHttp2(response) && response.socket !== null && isPlain(response)) {
    return new SocketWriter(response.socket);
  }
  return new ResponseWriter(response);
}

/** Whether the response is chunked, owns its socket, and nobody has put something of theirs before it. */
function isPlain(response: ServerResponse): boolean {
  return (
    response.headersSent &&
    response.chunkedEncoding &&
    response.write === OutgoingMessage.prototype.write &&
    // What waits inside a response (that of a pipelined request) would come after what goes past it.
    response.writableLength === (response.socket?.writableLength ?? 0)
  );
}

/** What a socket's own timeout looks at, too, so as not to fire while a write makes progress. */
function queuedOf(socket: Socket | null): number {
  const handle = (
    socket as { readonly _handle?: { readonly writeQueueSize?: number } | null } | null
  )?._handle;
  return handle?.writeQueueSize ?? 0;
}

class SocketWriter implements BodyWriter {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get unsent(): number {
    return this.#socket.writableLength;
  }

  get queued(): number {
    return queuedOf(this.#socket);
  }

  write(frames: JoinedFrames, onTaken: (() => void) | undefined): void {
    this.#socket.write(frames.chunk, onTaken);
  }
}

class ResponseWriter implements BodyWriter {
  readonly #response: HttpResponse;

  constructor(response: HttpResponse) {
    this.#response = response;
  }

  get unsent(): number {
    return this.#response.writableLength;
  }

  get queued(): number {
    return isHttp2(this.#response) ? this.unsent : queuedOf(this.#response.socket);
  }

  write(frames: JoinedFrames, onTaken: (() => void) | undefined): void {
    const response = this.#response as ServerResponse;
    response.write(frames.body, onTaken);
  }
}
