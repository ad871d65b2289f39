import type { Http2Session } from 'node:http2';
import { type HttpResponse, sessionOf } from './http.js';

/** What a server that closes would wait for when all responses have ended. */
export class ClientSockets {
  /**
   * Open ones of HTTP/2 clients, which keep their session when a stream has ended. One that is closed already can
   * no longer be destroyed, so all are closed when everybody has left.
   */
  readonly #sessions = new Set<Http2Session>();
  #isClosed = false;

  /** @param isDraining whether the server may have begun to close */
  watch(response: HttpResponse, isDraining: boolean): void {
    const session = sessionOf(response);
    if (session === undefined) {
      if (isDraining) endSocketAfter(response);
      return;
    }
    if (this.#isClosed) response.once('close', () => session.close());
    if (this.#sessions.has(session)) return;
    this.#sessions.add(session);
    session.once('close', () => this.#sessions.delete(session));
  }

  /** Everybody has left. */
  close(): void {
    this.#isClosed = true;
    for (const session of this.#sessions) session.close();
  }
}

/** The server that closes waits for a socket which is used again after it has begun to. */
function endSocketAfter(response: HttpResponse): void {
  const { socket } = response.req;
  response.once('finish', () => socket.end());
}
