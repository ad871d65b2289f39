import { afterEach, beforeEach } from '@jest/globals';

interface Options {
  readonly mode?: 'exclusive' | 'shared';
  readonly signal?: AbortSignal;
  readonly steal?: boolean;
}

class Request {
  readonly answered: Promise<unknown>;
  #settle!: (result: unknown) => void;
  #fail!: (reason: unknown) => void;

  constructor(
    readonly name: string,
    readonly isShared: boolean,
    private readonly hold: () => unknown,
  ) {
    this.answered = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
    });
  }

  /** Resolves when it is held no longer. */
  async grant(): Promise<void> {
    await new Promise((turn) => setImmediate(turn));
    await Promise.resolve(this.hold()).then(this.#settle, this.#fail);
  }

  fail(): void {
    this.#fail(new DOMException('The request was aborted', 'AbortError'));
  }
}

/** Web Locks (https://w3c.github.io/web-locks/), as far as tabs need them: Node has its own from 24.5 on. */
export class Locks {
  readonly #held = new Set<Request>();
  readonly #queue = new Set<Request>();

  /** All that were asked for, in their order. */
  readonly names: string[] = [];

  private constructor(private readonly areTaken: boolean) {}

  /**
   * For the clients of each test, which are tabs to each other.
   *
   * @param areTaken whether somebody else has all of them, for good
   */
  static use(areTaken = false): { current: Locks } {
    const own = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
    const use = { current: new Locks(areTaken) };
    beforeEach(() => {
      use.current = new Locks(areTaken);
      const value = { locks: use.current };
      Object.defineProperty(globalThis, 'navigator', { value, configurable: true });
    });
    afterEach(() => {
      if (own) Object.defineProperty(globalThis, 'navigator', own);
      else Reflect.deleteProperty(globalThis, 'navigator');
    });
    return use;
  }

  request(name: string, { mode, signal, steal }: Options, hold: () => unknown): Promise<unknown> {
    this.names.push(name);
    const request = new Request(name, mode === 'shared', hold);
    if (this.areTaken) return request.answered;
    if (steal) {
      for (const held of this.#heldOf(name)) {
        this.#held.delete(held);
        held.fail();
      }
      this.#grant(request);
    } else {
      this.#queue.add(request);
      signal?.addEventListener('abort', () => {
        if (this.#queue.delete(request)) request.fail();
      });
      this.#grantNext();
    }
    return request.answered;
  }

  async query(): Promise<{ held: { name: string }[] }> {
    return { held: [...this.#held].map(({ name }) => ({ name })) };
  }

  #heldOf(name: string): Request[] {
    return [...this.#held].filter((request) => request.name === name);
  }

  #grantNext(): void {
    for (const request of this.#queue) {
      const held = this.#heldOf(request.name);
      if (held.length > 0 && !(request.isShared && held.every(({ isShared }) => isShared)))
        continue;
      this.#queue.delete(request);
      this.#grant(request);
    }
  }

  #grant(request: Request): void {
    this.#held.add(request);
    void request.grant().then(() => {
      this.#held.delete(request);
      this.#grantNext();
    });
  }
}
