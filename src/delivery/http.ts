import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants } from 'node:http2';
import type { Http2ServerRequest, Http2ServerResponse, Http2Session } from 'node:http2';

export type HttpRequest = IncomingMessage | Http2ServerRequest;
export type HttpResponse = ServerResponse | Http2ServerResponse;

export function isHttp2(response: HttpResponse): response is Http2ServerResponse {
  return 'stream' in response;
}

/** Drops what was not sent, and the connection with it; of HTTP/2 only the stream. */
export function destroy(response: HttpResponse): void {
  if (isHttp2(response)) response.stream.destroy();
  else response.destroy();
}

/** Drops what was not sent, so that the client knows: a stream of HTTP/2 that is just destroyed may look as if it had ended. */
export function breakOff(response: HttpResponse): void {
  if (isHttp2(response)) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  destroy(response);
}

/**
 * Whether the client is known to have left. An HTTP/2 stream can be gone while its socket lives on; the
 * response to a pipelined request that has not had its turn is never told of its socket's end.
 */
export function isGone(response: HttpResponse): boolean {
  if (!isHttp2(response)) return response.destroyed || response.req.socket.destroyed;
  return response.stream.destroyed || response.stream.aborted;
}

/**
 * Calls when an HTTP/2 client resets its stream. If it does so without an error, Node closes the stream
 * only when everything written has been taken, which a stream that was reset never does.
 */
export function onceReset(response: HttpResponse, listener: () => void): void {
  if (isHttp2(response)) response.stream.once('aborted', listener);
}

/**
 * Whether it may be an EventSource that asks: it does so by GET, and wherever one is known it accepts
 * `text/event-stream` by name, which WHATWG HTML 9.2.2 leaves to it. `fetch` accepts anything.
 */
export function asksAsEventSource({ req }: HttpResponse): boolean {
  const { accept } = req.headers;
  return req.method === 'GET' && (accept === undefined || /text\/event-stream/i.test(accept));
}

/**
 * Whether it looks like the EventSource of Firefox or Safari, which sends an `id` with its next request only if an event came with
 * it; by WHATWG HTML 9.2.6 an `id` alone is enough. Those of Chromium and of other programs keep to that.
 */
export function needsEventWithId({ req }: HttpResponse): boolean {
  const { accept, 'user-agent': agent = '' } = req.headers;
  if (req.method !== 'GET' || accept !== 'text/event-stream') return false;
  return agent.startsWith('Mozilla/') && !/Chrom(e|ium)\//.test(agent);
}

/** The connection that an HTTP/2 stream shares with others; undefined once the stream is destroyed. */
export function sessionOf(response: HttpResponse): Http2Session | undefined {
  return isHttp2(response) ? response.stream.session : undefined;
}

/**
 * Tells clients that can read headers after which silence the next heartbeat comes, so that they know a dead
 * connection when they see one; 0 for no heartbeats.
 */
export function tellHeartbeat(response: HttpResponse, interval: number | false): void {
  tell(response, { 'SSE-Heartbeat-Interval': String(Number(interval)) });
}

/** Sets headers, unless they have been sent. */
export function tell(response: HttpResponse, headers: Readonly<Record<string, string>>): void {
  if (response.headersSent) return;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
}
