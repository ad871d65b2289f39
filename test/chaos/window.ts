import { setTimeout as elapse } from 'node:timers/promises';
import { connectSse } from 'nestjs-event-stream/testing';
import { RoomModel } from '../presence/rooms.js';
import type { Instances } from './instances.js';
import type { Random } from './random.js';

/** A page that shows who is in a room, on whichever instance, and goes on from where it was. */
export class Window {
  readonly model = new RoomModel();
  readonly faults: string[] = [];
  /** Since when it is connected; undefined while it is not. */
  openSince: number | undefined;
  readonly #fleet: Instances;
  readonly #random: Random;
  readonly #onLeave: (owner: string) => void;
  #lastEventId = '';
  #isStopped = false;
  #close = () => {};
  #url: string | undefined;
  #run: Promise<void> | undefined;

  constructor(fleet: Instances, random: Random, onLeave: (owner: string) => void) {
    this.#fleet = fleet;
    this.#random = random;
    this.#onLeave = onLeave;
  }

  start(): void {
    this.#run = this.#live();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#close();
    await this.#run;
  }

  /** Closes what is connected there, as one does who hears nothing from it. */
  abandon(url: string): void {
    if (this.#url === url) this.#close();
  }

  async #live(): Promise<void> {
    while (!this.#isStopped) {
      const url = this.#random.pick(this.#fleet.urls);
      if (url !== undefined) await this.#visit(url).catch(() => {});
      this.openSince = undefined;
      await elapse(this.#random.between(1, 50));
    }
  }

  async #visit(url: string): Promise<void> {
    const lastEventId = this.#lastEventId === '' ? undefined : this.#lastEventId;
    const client = await connectSse(url, '/windows/7', { lastEventId, timeout: 60_000 });
    this.openSince = performance.now();
    this.#url = url;
    this.#close = () => client.close();
    if (!this.#fleet.urls.includes(url)) client.close();
    const moving = setTimeout(() => client.close(), this.#random.between(2_000, 5_000));
    try {
      for (;;) {
        const { type, data } = await client.next();
        this.#take(type, JSON.parse(data));
      }
    } finally {
      clearTimeout(moving);
      if (client.lastEventId !== '') this.#lastEventId = client.lastEventId;
    }
  }

  #take(type: string, data: unknown): void {
    try {
      this.model.take(type, data);
    } catch (error) {
      this.faults.push(String(error));
    }
    const { member } = data as { readonly member?: { readonly owner: string } };
    if (type === 'leave' && member !== undefined) this.#onLeave(member.owner);
  }
}
