import type { Server } from 'node:http';
import { Server as TlsServer } from 'node:tls';
import type { Socket } from 'node:net';

/** Sockets that are kept before it is worth looking which of them are still spare. */
const LEAST = 64;

/**
 * Sockets that clients open in advance, as browsers do: Node's server, when it closes, waits until each has
 * had its first request, or for a minute.
 */
export class SpareSockets {
  readonly #sockets = new Set<Socket>();
  #bound = LEAST;

  constructor(server: Server) {
    // What 'connection' gives of TLS has read the handshake.
    const event = server instanceof TlsServer ? 'secureConnection' : 'connection';
    server.on(event, (socket: Socket) => {
      this.#sockets.add(socket);
      if (this.#sockets.size >= this.#bound) this.#forgetUsed();
    });
  }

  destroy(): void {
    this.#forgetUsed();
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  /** Looking from time to time costs less than a listener on each socket. */
  #forgetUsed(): void {
    for (const socket of this.#sockets) {
      if (socket.destroyed || socket.bytesRead > 0) this.#sockets.delete(socket);
    }
    this.#bound = Math.max(LEAST, this.#sockets.size * 2);
  }
}
