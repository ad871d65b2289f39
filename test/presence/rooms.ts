import { Controller, type ExecutionContext, type MessageEvent, Param, Sse } from '@nestjs/common';
import { EventBus } from 'nestjs-event-stream';
import { SsePresence } from 'nestjs-event-stream/presence';
import { merge, type Observable } from 'rxjs';
import type { Client } from '../support/each-adapter.js';

/** Rooms that say who is in them, and windows that show who is. */
@Controller()
export class RoomsController {
  constructor(
    private readonly bus: EventBus,
    private readonly presence: SsePresence,
  ) {}

  @Sse('rooms/:id')
  room(@Param('id') id: string): Observable<MessageEvent> {
    return merge(this.bus.stream(`room.${id}`), this.presence.stream(`room.${id}`));
  }

  @Sse('silent/:id')
  silent(@Param('id') id: string): Observable<MessageEvent> {
    return this.bus.stream(`room.${id}`);
  }

  @Sse('windows/:id')
  window(@Param('id') id: string): Observable<MessageEvent> {
    return this.presence.stream(`room.${id}`);
  }
}

export const identify = (context: ExecutionContext) => {
  const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
  return { owner: headers['x-user'], tags: headers['x-tags']?.split(' ') };
};

export const as = (user: string, headers: Record<string, string> = {}) => ({
  headers: { 'x-user': user, ...headers },
});

interface Told {
  readonly member?: { readonly owner: string };
  readonly members?: readonly { readonly owner: string }[];
  readonly count?: number;
}

/** What a page would show of a room, which nobody joins who is there, and nobody leaves who is not. */
export class RoomModel {
  readonly owners = new Set<string>();
  /** How many there are, where they are counted. */
  count: number | undefined;
  /** What it was told, in short. */
  readonly log: string[] = [];

  /** Whether it shows these owners, and no others. */
  shows(owners: Iterable<string>): boolean {
    return this.count === undefined && [...this.owners].sort().join() === [...owners].sort().join();
  }

  take(type: string, data: unknown): void {
    const { member: { owner = '' } = {}, members = [], count } = data as Told;
    this.log.push(typeof data === 'string' ? data : entryOf(type, data as Told));
    if (type === 'members') {
      this.owners.clear();
      for (const each of members) this.owners.add(each.owner);
      this.count = undefined;
    } else if (type === 'join') {
      if (this.owners.has(owner)) throw new Error(`${owner} joins twice: ${this.log.join(' | ')}`);
      this.owners.add(owner);
    } else if (type === 'leave') {
      if (!this.owners.delete(owner))
        throw new Error(`${owner} leaves twice: ${this.log.join(' | ')}`);
    } else if (type === 'count') {
      this.count = count;
    }
  }
}

/** A page that shows a room. */
export class RoomView {
  readonly #client: Client;
  readonly #model = new RoomModel();

  /** @param owners who was there when it was closed, if it is open again */
  constructor(client: Client, owners: readonly string[] = []) {
    this.#client = client;
    for (const owner of owners) this.#model.owners.add(owner);
  }

  get log(): readonly string[] {
    return this.#model.log;
  }

  /** Reads on until it shows these owners, and no others. */
  shows(...owners: string[]): Promise<void> {
    return this.#readUntil(() => this.#model.shows(owners));
  }

  showsCount(count: number): Promise<void> {
    return this.#readUntil(() => this.#model.count === count);
  }

  /** Reads on to an event that says this. */
  reads(entry: string): Promise<void> {
    return this.#readUntil(() => this.log.includes(entry));
  }

  async #readUntil(isSo: () => boolean): Promise<void> {
    while (this.log.length === 0 || !isSo()) {
      const { type, data } = await this.#client.next();
      this.#model.take(type, type === 'message' ? data : JSON.parse(data));
    }
  }
}

function entryOf(type: string, told: Told): string {
  const { member, members, count } = told;
  if (member !== undefined) return `${type} ${member.owner}`;
  if (count !== undefined) return `count ${count}`;
  return members === undefined ? type : `members ${members.map(({ owner }) => owner).join()}`;
}
