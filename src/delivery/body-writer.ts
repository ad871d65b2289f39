import { OutgoingMessage, type ServerResponse } from 'node:http';
import { type HttpResponse, isHttp2 } from './http.js';

/** What the bytes of a response's body are written to: a socket, or the response itself. */
export interface Target {
  /** Bytes that were written and not yet taken by the kernel. */
  readonly writableLength: number;
  /** @param onTaken called when these bytes have been taken, or never */
  write(bytes: Buffer, onTaken?: () => void): unknown;
}

/**
 * Whether the body can be written straight to the socket, as chunks, and nobody can notice: the headers are
 * out, the response is chunked and owns its socket, and nobody has put something of theirs before it.
 */
export function mayWriteToSocket(response: HttpResponse): response is ServerResponse {
  return (
    !isHttp2(response) &&
    response.socket !== null &&
    response.headersSent &&
    response.chunkedEncoding &&
    response.write === OutgoingMessage.prototype.write &&
    // What waits inside a response (that of a pipelined request) would come after what goes past it.
    response.writableLength === response.socket.writableLength
  );
}

/**
 * Bytes that wait, to the byte if the platform tells, so that it shrinks while a large write is being taken.
 * A socket's own timeout looks at the same, so as not to fire while a write makes progress.
 */
export function queuedOf(response: HttpResponse): number {
  if (isHttp2(response)) return response.writableLength;
  const { socket } = response as {
    readonly socket: { readonly _handle?: { readonly writeQueueSize?: number } | null } | null;
  };
  return socket?._handle?.writeQueueSize ?? 0;
}
