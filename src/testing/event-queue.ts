/** One event as an EventSource would dispatch it. */
export interface ReceivedEvent<Type extends string = string, Data = unknown> {
  readonly type: Type;
  /** The data as it came, lines joined by a line feed. */
  readonly data: string;
  /** The id that an EventSource would have as `lastEventId` after this event; '' for none. */
  readonly lastEventId: string;
  /** @throws SyntaxError if the data is not JSON */
  json(): Data;
}

interface Waiting {
  readonly type: string | undefined;
  readonly resolve: (event: ReceivedEvent) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** Received events, and those who wait for them; every wait has a bound. */
export class EventQueue {
  readonly #timeout: number;
  readonly #received: ReceivedEvent[] = [];
  readonly #waiting: Waiting[] = [];
  #next = 0;
  #end: string | undefined;

  /** @param timeout milliseconds */
  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  get isEnded(): boolean {
    return this.#end !== undefined;
  }

  push(event: ReceivedEvent): void {
    this.#received.push(event);
    this.#serve();
  }

  /** Nothing more will come, for the reason given. */
  end(reason: string): void {
    this.#end ??= reason;
    this.#serve();
  }

  next(type?: string): Promise<ReceivedEvent> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const index = this.#waiting.indexOf(waiting);
        if (index >= 0) this.#waiting.splice(index, 1);
        reject(this.#missing(type, `did not come within ${this.#timeout} ms`));
      }, this.#timeout);
      const waiting: Waiting = { type, resolve, reject, timer };
      this.#waiting.push(waiting);
      this.#serve();
    });
  }

  #serve(): void {
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined) return;
      const event = this.#shift(first.type);
      if (event !== undefined) first.resolve(event);
      else if (this.#end === undefined) return;
      else first.reject(this.#missing(first.type, `did not come: ${this.#end}`));
      this.#waiting.shift();
      clearTimeout(first.timer);
    }
  }

  /** The next event, or the next of that type: those before it are passed over. */
  #shift(type: string | undefined): ReceivedEvent | undefined {
    while (this.#next < this.#received.length) {
      const event = this.#received[this.#next++];
      if (type === undefined || event?.type === type) return event;
    }
    return undefined;
  }

  #missing(type: string | undefined, why: string): Error {
    const what = type === undefined ? 'An event' : `An event of type '${type}'`;
    const last = this.#received
      .slice(-10)
      .map(({ type, data }) => `  ${type}: ${data.length > 100 ? `${data.slice(0, 100)}…` : data}`);
    const shown = last.length < this.#received.length ? `, the last ${last.length}` : '';
    return new Error(
      `${what} ${why}. Received ${this.#received.length} in all${shown}:\n${last.join('\n')}`,
    );
  }
}
