import { OutgoingMessage, type ServerResponse } from 'node:http';
import { type HttpResponse, isHttp2 } from './http.js';

/** What the bytes of a response's body are written to: a socket, or the response itself. */
export interface BodyTarget {
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

/** The largest frame that HTTP/2 has unless the peers agree on more (RFC 9113, section 4.2). */
const HTTP2_FRAME = 16_384;

/**
 * Bytes below which nothing is progress. Several HTTP/2 streams share a socket: what others write in
 * silence, their heartbeats, does not make this one's client take anything.
 */
export function leastProgressOf(response: HttpResponse): number {
  return isHttp2(response) ? HTTP2_FRAME : 1;
}
