import type { Http2Session } from 'node:http2';
import { type HttpResponse, isHttp2, sessionOf } from './http.js';
import type { OpenRequest } from './open-request.js';

type SocketUse = Pick<OpenRequest, 'response' | 'gate'>;

/**
 * What responses came over. Clients that are drained come back on new ones, which may lead to another instance; and
 * a server that closes would wait for these when all responses have ended.
 */
export class ClientSockets {
  /**
   * Open ones of HTTP/2 clients, which keep their session when a stream has ended. One that is closed already can
   * no longer be destroyed, so all are closed when everybody has left.
   */
  readonly #sessions = new Set<Http2Session>();
  #isClosed = false;

  /** @param isDraining whether this response is to be the last one of its socket or session */
  watch({ response, gate }: SocketUse, isDraining: boolean): void {
    const session = sessionOf(response);
    if (session === undefined) {
      if (!isDraining) return;
      gate.announceClose();
      this.endAfter(response);
      return;
    }
    if (isDraining) response.once('close', () => this.#leave(session));
    if (this.#sessions.has(session)) return;
    this.#sessions.add(session);
    session.once('close', () => this.#sessions.delete(session));
  }

  /** What ends from now on is the last one of its socket; sessions take no more requests, and keep what they have. */
  drain(): void {
    for (const session of this.#sessions) session.goaway();
  }

  /** A socket that is kept alive would be used again, and a server that closes waits for that. */
  endAfter(response: HttpResponse): void {
    if (isHttp2(response)) return;
    const { socket } = response.req;
    response.once('finish', () => socket.end());
  }

  /** Everybody has left. */
  close(): void {
    this.#isClosed = true;
    for (const session of this.#sessions) session.close();
  }

  #leave(session: Http2Session): void {
    if (this.#isClosed) session.close();
    else if (!session.destroyed) session.goaway();
  }
}
