import { setTimeout as elapse } from 'node:timers/promises';
import type { Instances } from './instances.js';
import type { AcknowledgedOrder } from './orders-verdict.js';
import type { Random } from './random.js';

/** Signs owners out now and then, on whichever instance. */
export class Closer {
  readonly orders: AcknowledgedOrder[] = [];
  readonly #owners: readonly string[];
  readonly #fleet: Instances;
  readonly #random: Random;
  #isStopped = false;
  #run: Promise<void> | undefined;

  constructor(owners: readonly string[], fleet: Instances, random: Random) {
    this.#owners = owners;
    this.#fleet = fleet;
    this.#random = random;
  }

  start(): void {
    this.#run = this.#live();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#run;
  }

  async #live(): Promise<void> {
    while (!this.#isStopped) {
      await elapse(this.#random.between(100, 600));
      const [owner, url] = [this.#random.pick(this.#owners), this.#random.pick(this.#fleet.urls)];
      if (owner !== undefined && url !== undefined) await this.#close(url, owner);
    }
  }

  async #close(url: string, owner: string): Promise<void> {
    const askedAt = performance.now();
    const { ok } = await fetch(`${url}/close`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ owner }),
      signal: AbortSignal.timeout(5_000),
    }).catch(() => ({ ok: false }));
    if (ok) this.orders.push({ owner, askedAt, acknowledgedAt: performance.now() });
  }
}
