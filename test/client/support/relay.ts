import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** What passes between a browser and a server on one connection. */
class Passage {
  #isDead = false;
  #hasStream = false;

  constructor(
    private readonly browser: Socket,
    private readonly server: Socket,
  ) {
    this.#pass(browser, server);
    this.#pass(server, browser);
    server.on('data', (bytes: Buffer) => {
      this.#hasStream ||= bytes.includes('Content-Type: text/event-stream');
    });
  }

  /** Of a stream nothing arrives any more, not even its end; what is idle ends, so that no request falls for it. */
  die(): void {
    if (this.#hasStream) this.#isDead = true;
    else this.end();
  }

  end(): void {
    this.browser.destroy();
    this.server.destroy();
  }

  #pass(from: Socket, to: Socket): void {
    from.on('data', (bytes: Buffer) => {
      if (!this.#isDead) to.write(bytes);
    });
    from.on('error', () => {});
    from.on('close', () => {
      if (!this.#isDead || from === this.browser) to.destroySoon();
    });
  }
}

/** The network between browsers and a server. */
export class Relay {
  readonly #server: Server;
  readonly #passages = new Set<Passage>();

  private constructor(private upstream: number) {
    this.#server = createServer((browser) => {
      const passage = new Passage(browser, connect(this.upstream, '127.0.0.1'));
      this.#passages.add(passage);
      browser.on('close', () => this.#passages.delete(passage));
    });
  }

  static async start(upstream: number): Promise<Relay> {
    const relay = new Relay(upstream);
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Where new connections lead from now on. */
  leadTo(upstream: number): void {
    this.upstream = upstream;
  }

  /** Whatever is connected hears nothing any more; new connections are well. */
  die(): void {
    for (const passage of this.#passages) passage.die();
  }

  async stop(): Promise<void> {
    for (const passage of this.#passages) passage.end();
    await new Promise((closed) => this.#server.close(closed));
  }
}
