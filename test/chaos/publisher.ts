import { setTimeout as elapse } from 'node:timers/promises';
import type { Instances } from './instances.js';
import type { Random } from './random.js';
import type { Acknowledged } from './verdict.js';

/** Publishes on one instance, as long as it runs. */
export class Publisher {
  readonly acknowledged: Acknowledged[] = [];
  /** When each text was first tried, in milliseconds. */
  readonly begunAt = new Map<string, number>();
  readonly #index: number;
  readonly #fleet: Instances;
  readonly #random: Random;
  readonly #retries: boolean;
  #count = 0;
  #isStopped = false;
  #run: Promise<void> | undefined;

  /** @param retries whether to publish again, with an idempotencyKey, what was not acknowledged */
  constructor(index: number, fleet: Instances, random: Random, retries: boolean) {
    this.#index = index;
    this.#fleet = fleet;
    this.#random = random;
    this.#retries = retries;
  }

  start(): void {
    this.#run = this.#live();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#run;
  }

  /** Publishes, on whichever instance, until it is acknowledged. */
  async insist(topics: readonly string[], text: string): Promise<string> {
    for (;;) {
      const url = this.#random.pick(this.#fleet.urls);
      const cursor = await this.#publish(url, topics, text, text);
      if (cursor !== undefined) return cursor;
      await elapse(20);
    }
  }

  async #live(): Promise<void> {
    while (!this.#isStopped) {
      const burst = this.#random.between(1, 5);
      await Promise.all(Array.from({ length: burst }, () => this.#publishNext()));
      await elapse(this.#random.between(1, 20));
    }
  }

  async #publishNext(): Promise<void> {
    const number = ++this.#count;
    const text = `${this.#index}/${number}`;
    const topics = ['all', number % 2 === 0 ? 'even' : 'odd'];
    if (this.#retries && this.#random.next() < 0.3) {
      await this.insist(topics, text);
    } else {
      await this.#publish(this.#fleet.urlOf(this.#index), topics, text);
    }
  }

  async #publish(
    url: string | undefined,
    topics: readonly string[],
    text: string,
    idempotencyKey?: string,
  ): Promise<string | undefined> {
    if (url === undefined) return undefined;
    if (!this.begunAt.has(text)) this.begunAt.set(text, performance.now());
    try {
      const response = await fetch(`${url}/publish`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ topics, text, idempotencyKey }),
        signal: AbortSignal.timeout(5_000),
      });
      const { cursor } = (await response.json()) as { cursor?: string };
      if (!response.ok || cursor === undefined) return undefined;
      this.acknowledged.push({ topics, text, cursor });
      return cursor;
    } catch {
      return undefined;
    }
  }
}
