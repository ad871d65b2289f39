import { setTimeout as elapse } from 'node:timers/promises';
import { connectSse } from 'nestjs-event-stream/testing';

/** Who reads a run to its end, as an EventSource does: it comes back until it is told not to. */
export class RunReader {
  /** Tokens, and what else it was sent: types with their data. */
  readonly tokens: string[] = [];
  readonly ends: string[] = [];
  readonly others: string[] = [];
  /** What came after the end. */
  readonly late: string[] = [];
  isOver = false;
  readonly #url: () => string;
  readonly #path: string;
  readonly #stay: () => number;
  #lastEventId: string | undefined;
  #isGivenUp = false;

  /**
   * @param url of the instance that it comes to, each time
   * @param stay milliseconds after which it leaves by itself, and comes back
   */
  constructor(id: string, url: () => string, stay: () => number = () => Infinity) {
    this.#path = `/runs/${id}`;
    this.#url = url;
    this.#stay = stay;
  }

  giveUp(): void {
    this.#isGivenUp = true;
  }

  /** Resolves when it is told not to come back. */
  async read(): Promise<void> {
    while (!this.#isGivenUp && !(await this.#visit())) await elapse(10);
    this.isOver = !this.#isGivenUp;
  }

  async #visit(): Promise<boolean> {
    const connection = await connectSse(this.#url(), this.#path, {
      lastEventId: this.#lastEventId,
      timeout: 2_000,
    }).catch(() => undefined);
    if (connection === undefined) return false;
    const isTold = connection.status === 204;
    const stay = this.#stay();
    const leaving = Number.isFinite(stay) ? setTimeout(() => connection.close(), stay) : undefined;
    while (!isTold && !this.#isGivenUp) {
      try {
        const { type, data, lastEventId } = await connection.next();
        this.#take(type, data);
        this.#lastEventId = lastEventId;
      } catch (error) {
        if (!String(error).includes('did not come within')) break;
      }
    }
    clearTimeout(leaving);
    if (connection.lastEventId !== '') this.#lastEventId = connection.lastEventId;
    connection.close();
    return isTold;
  }

  #take(type: string, data: string): void {
    if (this.ends.length > 0) this.late.push(`${type} ${data}`);
    else if (type === 'message') this.tokens.push(data);
    if (type === 'run-end') this.ends.push(data);
    else if (type !== 'message') this.others.push(`${type} ${data}`);
  }
}
