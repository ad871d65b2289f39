import type { ToldMember, ToldRoom } from './presence-log.js';

/** Somebody who was told to be there. */
interface Told {
  readonly member: unknown;
  /** The offset of the last word that they are. */
  since: number;
}

/** Who was told to read one topic, or how many. */
export class Room {
  /** Undefined where they are told by name. */
  count: number | undefined;
  readonly #members = new Map<string, Told>();

  /** @param since the offset from which it is told as it is */
  constructor(public since: number) {}

  static of(told: ToldRoom): Room {
    const room = new Room(told[1]);
    room.count = told[2] ?? undefined;
    room.add(told);
    return room;
  }

  /** More members of the same. */
  add([, , , members]: ToldRoom): void {
    for (const [owner, since, member] of members) this.#members.set(owner, { member, since });
  }

  get size(): number {
    return this.#members.size;
  }

  get isEmpty(): boolean {
    return this.count === undefined && this.#members.size === 0;
  }

  get members(): unknown[] {
    return Array.from(this.#members.values(), ({ member }) => member);
  }

  get owners(): Iterable<string> {
    return this.#members.keys();
  }

  get(owner: string): Readonly<Told> | undefined {
    return this.#members.get(owner);
  }

  toState(topic: string): ToldRoom {
    const members = Array.from(this.#members, ([owner, { since, member }]): ToldMember => [
      owner,
      since,
      member,
    ]);
    return [topic, this.since, this.count ?? null, members];
  }

  /** There is word that an owner is there; false if that is no news. */
  join(owner: string, member: unknown, offset: number): boolean {
    if (this.count !== undefined || !this.refresh(owner, offset)) return false;
    this.#members.set(owner, { member, since: offset });
    return true;
  }

  /** There is word that an owner is there; true if they were not told to be. */
  refresh(owner: string, offset: number): boolean {
    const known = this.#members.get(owner);
    if (known !== undefined) known.since = offset;
    return known === undefined;
  }

  /** @param since of the word that this answers; false if there is a later one */
  leave(owner: string, since: number): boolean {
    return this.#members.get(owner)?.since === since && this.#members.delete(owner);
  }

  /** From now on they are counted. */
  countAs(count: number, offset: number): void {
    this.count = count;
    this.since = offset;
    this.#members.clear();
  }
}
