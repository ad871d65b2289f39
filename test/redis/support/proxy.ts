import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** What the client has said, so that one knows which connection it is. */
  said: string;
  isDeaf: boolean;
}

/** A TCP proxy in front of a server, for faults of the network. */
export class Proxy {
  readonly #pairs = new Set<Pair>();
  readonly #server: Server;
  #isCut = false;

  private constructor(target: number) {
    this.#server = createServer((client) => {
      if (this.#isCut) {
        client.destroy();
        return;
      }
      this.#join({ client, server: connect(target, '127.0.0.1'), said: '', isDeaf: false });
    });
  }

  static async start(target: number): Promise<Proxy> {
    const proxy = new Proxy(target);
    await once(proxy.#server.listen(0, '127.0.0.1'), 'listening');
    return proxy;
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Breaks all connections and lets no new one through. */
  cut(): void {
    this.#isCut = true;
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
  }

  mend(): void {
    this.#isCut = false;
  }

  /** The present connections of that name stay open, but nothing that the server says arrives. */
  deafen(name: string): void {
    for (const pair of this.#pairs) if (pair.said.includes(name)) pair.isDeaf = true;
  }

  async stop(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(pair: Pair): void {
    const { client, server } = pair;
    this.#pairs.add(pair);
    client.on('data', (data) => {
      if (pair.said.length < 1_000) pair.said += data.toString('latin1');
      server.write(data);
    });
    server.on('data', (data) => {
      if (!pair.isDeaf) client.write(data);
    });
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on('close', end).on('error', end);
  }
}
