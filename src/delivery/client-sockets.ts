import type { Http2Session } from 'node:http2';
import type { Server, Socket } from 'node:net';
import { destroy, type HttpResponse, isHttp2, sessionOf } from './http.js';
import type { OpenRequest } from './open-request.js';

type SocketUse = Pick<OpenRequest, 'response' | 'gate'>;

/** Milliseconds for clients to end their side of a socket that has been ended. */
const MOMENT = 100;

/**
 * What responses came over. Clients that are drained come back on new ones, which may lead to another instance; and
 * a server that closes would wait for these when all responses have ended.
 */
export class ClientSockets {
  /**
   * Of HTTP/2 clients, which keep their session when a stream has ended, until the socket is closed; a session may have
   * been destroyed long before.
   */
  readonly #sessions = new Map<Http2Session, Socket>();
  /** Milliseconds, once everybody has left. */
  #patience: number | undefined;

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
    this.#keep(session);
  }

  /** Looks after what an HTTP/2 server has besides: a session that lies idle would be waited for, too. */
  watchSessionsOf(server: Server): void {
    server.on('session', (session: Http2Session) => this.#keep(session));
  }

  #keep(session: Http2Session): void {
    if (this.#sessions.has(session) || session.destroyed) return;
    // What it gives is the socket itself: `session.socket` stands before it, and refuses to destroy it.
    const socket = session.socket.once('close', () => this.#sessions.delete(session));
    this.#sessions.set(session, socket);
    const patience = this.#patience;
    if (patience === undefined) return;
    setTimeout(() => this.#close(session, patience), patience).unref();
  }

  /** What ends from now on is the last one of its socket; sessions take no more requests, and keep what they have. */
  drain(): void {
    for (const session of this.#sessions.keys()) sayGoingAway(session);
  }

  /** A socket that is kept alive would be used again, and a server that closes waits for that. */
  endAfter(response: HttpResponse): void {
    if (isHttp2(response)) return;
    const { socket } = response.req;
    response.once('finish', () => {
      socket.end();
      destroyLater(socket, MOMENT);
    });
  }

  /** Drops what was not sent of a response, and what it came over. */
  destroy(response: HttpResponse): void {
    const session = sessionOf(response);
    if (session !== undefined) this.#sessions.get(session)?.destroy();
    destroy(response);
  }

  /**
   * Everybody has left.
   *
   * @param patience milliseconds for clients of HTTP/2 to take what is theirs, which they say by ending their side
   */
  close(patience: number): void {
    this.#patience = patience;
    for (const session of this.#sessions.keys()) this.#close(session, patience);
  }

  #leave(session: Http2Session): void {
    if (this.#patience === undefined) sayGoingAway(session);
    else this.#close(session, this.#patience);
  }

  #close(session: Http2Session, patience: number): void {
    const socket = this.#sessions.get(session);
    session.close();
    if (socket === undefined) return;
    // When the session has ended; other requests than those for streams may go on in it.
    if (socket.writableFinished) destroyLater(socket, patience);
    else socket.once('finish', () => destroyLater(socket, patience));
  }
}

/** Node throws for one that is destroyed, of which the socket may yet be there. */
function sayGoingAway(session: Http2Session): void {
  if (!session.destroyed) session.goaway();
}

/** Some clients never end their side: those that have vanished, for one. */
function destroyLater(socket: Socket, patience: number): void {
  const timer = setTimeout(() => socket.destroy(), patience).unref();
  socket.once('close', () => clearTimeout(timer));
}
