import { setTimeout as elapse } from 'node:timers/promises';
import { connectSse, type SseTestClient } from 'nestjs-event-stream/testing';
import type { Instances } from './instances.js';
import type { Random } from './random.js';

/** Somebody who is in a room, comes back when the connection breaks, and goes away now and then. */
export class Visitor {
  readonly owner: string;
  /** Since when there is an open connection; undefined while there is none. */
  openSince: number | undefined;
  /** When there was one last, and since when. */
  openUntil = -Infinity;
  wasOpenSince = -Infinity;
  readonly #fleet: Instances;
  readonly #random: Random;
  /** Milliseconds of an absence that is one. */
  readonly #absence: number;
  /** By where they are connected. */
  readonly #tabs = new Map<SseTestClient, string>();
  readonly #stopping = new AbortController();
  #runs: Promise<void>[] = [];
  #isAway = false;

  constructor(owner: string, fleet: Instances, random: Random, absence: number) {
    this.owner = owner;
    this.#fleet = fleet;
    this.#random = random;
    this.#absence = absence;
  }

  start(): void {
    this.#runs = [this.#comeAndGo(), this.#keepTab(), this.#keepTab()];
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#close();
    await Promise.all(this.#runs);
  }

  /** Closes what is connected there, as one does who hears nothing from it. */
  abandon(url: string): void {
    for (const [tab, where] of this.#tabs) if (where === url) tab.close();
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #wait(milliseconds: number): Promise<void> {
    await elapse(milliseconds, undefined, this.#stopping).catch(() => {});
  }

  async #comeAndGo(): Promise<void> {
    while (!this.#isStopped) {
      await this.#wait(this.#random.between(500, 4_000));
      this.#isAway = true;
      this.#close();
      const isReload = this.#random.next() < 0.5;
      await this.#wait(isReload ? this.#random.between(1, 200) : this.#absence);
      this.#isAway = false;
    }
  }

  #close(): void {
    for (const tab of this.#tabs.keys()) tab.close();
  }

  async #keepTab(): Promise<void> {
    while (!this.#isStopped) {
      const url = this.#random.pick(this.#fleet.urls);
      if (!this.#isAway && url !== undefined) await this.#visit(url);
      await elapse(this.#random.between(5, 60));
    }
  }

  async #visit(url: string): Promise<void> {
    let tab: SseTestClient;
    try {
      tab = await connectSse(url, '/rooms/7', {
        headers: { 'x-user': this.owner },
        timeout: 2_000,
      });
    } catch {
      return;
    }
    this.#tabs.set(tab, url);
    // Also who goes at once was there, and is shown until the grace is over.
    this.openSince ??= performance.now();
    if (this.#isAway || this.#isStopped || !this.#fleet.urls.includes(url)) tab.close();
    await tab.closed;
    this.#tabs.delete(tab);
    if (this.#tabs.size > 0) return;
    this.openUntil = performance.now();
    this.wasOpenSince = this.openSince;
    this.openSince = undefined;
  }
}
