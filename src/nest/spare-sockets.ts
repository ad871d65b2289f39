import { Server as TlsServer } from 'node:tls';
import type { Server, Socket } from 'node:net';

/** Sockets that are kept before it is worth looking which of them are still spare. */
const LEAST = 64;
/** Milliseconds for the first request of a socket that is opened when the others have been closed. */
const PATIENCE = 1_000;

/**
 * Sockets that clients open in advance, as browsers do: Node's server, when it closes, waits until each has
 * had its first request, or for a minute.
 */
export class SpareSockets {
  readonly #sockets = new Set<Socket>();
  #bound = LEAST;
  #isClosing = false;

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => this.#add(socket));
    // Where there is TLS, what 'connection' gives has read the handshake by then.
    if (server instanceof TlsServer) {
      server.on('secureConnection', (socket: Socket) => this.#add(socket));
    }
  }

  /** Closes those that there are, and from now on each that has had no request for a moment. */
  close(): void {
    this.#isClosing = true;
    for (const socket of this.#sockets) closeIfSpare(socket);
    this.#sockets.clear();
  }

  #add(socket: Socket): void {
    if (this.#isClosing) {
      setTimeout(() => closeIfSpare(socket), PATIENCE).unref();
      return;
    }
    this.#sockets.add(socket);
    if (this.#sockets.size >= this.#bound) this.#forgetUsed();
  }

  /** Looking from time to time costs less than a listener on each socket. */
  #forgetUsed(): void {
    for (const socket of this.#sockets) {
      if (socket.destroyed || socket.bytesRead > 0) this.#sockets.delete(socket);
    }
    this.#bound = Math.max(LEAST, this.#sockets.size * 2);
  }
}

function closeIfSpare(socket: Socket): void {
  if (socket.bytesRead === 0) socket.destroy();
}
