import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A network between clients and an application. It passes on their bytes and hides what clients do to their sockets:
 * those of the application stay open whatever becomes of the clients, as if each had vanished.
 */
export class Relay {
  readonly port: number;
  readonly #server: Server;
  /** The clients' ends of the sockets that the application has. */
  readonly #sockets: readonly Socket[];
  readonly #clients: readonly Socket[];

  private constructor(server: Server, sockets: readonly Socket[], clients: readonly Socket[]) {
    this.#server = server;
    this.#sockets = sockets;
    this.#clients = clients;
    this.port = (server.address() as AddressInfo).port;
  }

  static async to(port: number): Promise<Relay> {
    const sockets: Socket[] = [];
    const clients: Socket[] = [];
    const server = createServer({ allowHalfOpen: true }, (client) => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      sockets.push(socket);
      clients.push(client);
      for (const end of [client, socket]) end.on('error', () => {});
      client.on('data', (bytes) => socket.write(bytes));
      socket.on('data', (bytes) => client.write(bytes));
      socket.on('end', () => client.end());
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return new Relay(server, sockets, clients);
  }

  /** Nothing that the application sends is read any more. */
  pause(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  /** The clients say that they have nothing more to send, and read on. */
  end(): void {
    for (const socket of this.#sockets) socket.end();
  }

  close(): void {
    this.#server.close();
    for (const socket of [...this.#sockets, ...this.#clients]) socket.destroy();
  }
}
