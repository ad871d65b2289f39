import { setTimeout as elapse } from 'node:timers/promises';
import { connectSse, type SseTestClient } from 'nestjs-event-stream/testing';
import type { Instances } from './instances.js';
import type { Visit } from './orders-verdict.js';
import type { Random } from './random.js';

/** One tab of an owner's. It stays until its stream is ended, and comes back soon, whatever it was told. */
export class Member {
  readonly visits: Visit[] = [];
  readonly #owner: string;
  readonly #fleet: Instances;
  readonly #random: Random;
  #isStopped = false;
  #connection: SseTestClient | undefined;
  #run: Promise<void> | undefined;

  constructor(owner: string, fleet: Instances, random: Random) {
    this.#owner = owner;
    this.#fleet = fleet;
    this.#random = random;
  }

  start(): void {
    this.#run = this.#live();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#connection?.close();
    await this.#run;
  }

  async #live(): Promise<void> {
    while (!this.#isStopped) {
      const url = this.#random.pick(this.#fleet.urls);
      if (url !== undefined) await this.#visit(url);
      await elapse(this.#random.between(20, 200));
    }
  }

  async #visit(url: string): Promise<void> {
    const options = { headers: { 'x-user': this.#owner }, timeout: 2_000 };
    const connection = await connectSse(url, '/topics/all', options).catch(() => undefined);
    if (connection === undefined) return;
    this.#connection = connection;
    if (this.#isStopped) connection.close();
    const visit: Visit = { owner: this.#owner, openedAt: performance.now(), texts: [] };
    this.visits.push(visit);
    const ended = new AbortController();
    void connection.closed.then(() => ended.abort());
    while (!ended.signal.aborted) {
      // Nothing comes for a while, or it has ended.
      const event = await connection.next('message').catch(() => undefined);
      if (event !== undefined) visit.texts.push(event.data);
    }
    visit.endedAt = performance.now();
  }
}
