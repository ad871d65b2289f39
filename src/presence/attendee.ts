/** Somebody who reads a topic on some instance, or did a moment ago. */
export class Attendee {
  /** Which instances have said so. */
  readonly by = new Set<string>();
  /** What is told of them; undefined while it is not known. */
  member: unknown;
  /** The visit to this instance, if they are here: another one each time. */
  visit: object | undefined;
  /** Whether it was here that they were last. */
  wasHere = false;
  /** When there was word last that they are there, on the monotonic clock: whoever has them no more. */
  seenAt = -Infinity;

  constructor(
    readonly topic: string,
    readonly owner: string,
  ) {}

  get isThere(): boolean {
    return this.visit !== undefined || this.by.size > 0;
  }
}

/** All of them, by topic. */
export class Attendees {
  readonly #byTopic = new Map<string, Map<string, Attendee>>();

  of(topic: string): Iterable<Attendee> {
    return this.#byTopic.get(topic)?.values() ?? [];
  }

  get topics(): Iterable<string> {
    return this.#byTopic.keys();
  }

  /** How many there are in a topic. */
  count(topic: string): number {
    return this.#byTopic.get(topic)?.size ?? 0;
  }

  find(topic: string, owner: string): Attendee | undefined {
    return this.#byTopic.get(topic)?.get(owner);
  }

  open(topic: string, owner: string): Attendee {
    const known = this.find(topic, owner);
    if (known !== undefined) return known;
    const attendee = new Attendee(topic, owner);
    const others = this.#byTopic.get(topic);
    if (others === undefined) this.#byTopic.set(topic, new Map([[owner, attendee]]));
    else others.set(owner, attendee);
    return attendee;
  }

  delete({ topic, owner }: Attendee): void {
    const others = this.#byTopic.get(topic);
    others?.delete(owner);
    if (others?.size === 0) this.#byTopic.delete(topic);
  }
}
