import { createHash } from 'node:crypto';
import type { EventBus } from '../bus/event-bus.js';
import type { Cursor } from '../log/cursor.js';
import { type Part, split } from '../registry/parts.js';

/** The topic of the log that everything about presence lies under, for the instances themselves. */
export const PRESENCE_TOPIC = '$presence';

/** The topic that clients are told under who reads a topic. */
export function toldTopic(topic: string): string {
  // Its second part says how an entry is kept: see `internalRetention`.
  return `${PRESENCE_TOPIC}.told.${topic}`;
}

/** An owner in a topic, as a name. */
export function nameOf(topic: string, owner: string): string {
  return JSON.stringify([topic, owner]);
}

/** Undefined for what is no such name. */
export function parseName(name: string): readonly [topic: string, owner: string] | undefined {
  try {
    const parsed: unknown = JSON.parse(name);
    if (!Array.isArray(parsed)) return undefined;
    const [topic, owner] = parsed as unknown[];
    return typeof topic === 'string' && typeof owner === 'string' ? [topic, owner] : undefined;
  } catch {
    return undefined;
  }
}

/** A member as it was told, and the offset of the last word that the owner is there. */
export type ToldMember = readonly [owner: string, since: number, member: unknown];

/** A topic as it was told: the offset from which it is told like this, and how many there are, if they are only counted. */
export type ToldRoom = readonly [
  topic: string,
  since: number,
  count: number | null,
  members: readonly ToldMember[],
];

/** All that was told up to an offset. */
export interface ToldState {
  readonly upTo: number;
  readonly rooms: readonly ToldRoom[];
}

/** What of it one entry holds: a room of many members is in several of them. */
export interface ToldStatePart extends ToldState {
  /** Undefined where it is all of it. */
  readonly part?: Part;
  /** The same for all parts. */
  readonly id?: string;
}

/** Cuts what was told into parts of which none is large. */
export function statePartsOf({ upTo, rooms }: ToldState): readonly ToldStatePart[] {
  const pieces = rooms.flatMap(([topic, since, count, members]) => {
    const cut = members.length === 0 ? [[]] : split(members);
    return cut.map((each): ToldRoom => [topic, since, count, each]);
  });
  const parts = split(pieces);
  if (parts.length < 2) return [{ upTo, rooms }];
  // What instances say that know other things is not put together.
  const id = createHash('sha1').update(JSON.stringify(rooms)).digest('base64url');
  return parts.map((each, index) => ({ upTo, rooms: each, part: [index + 1, parts.length], id }));
}

/**
 * Writes what is said about presence. Whether an entry says anything new is decided by its offset: see
 * `Roster`. What several instances say for the same reason is in the log once.
 */
export class PresenceLog {
  readonly #bus: EventBus;

  constructor(bus: EventBus) {
    this.#bus = bus;
  }

  join(topic: string, owner: string, member: unknown): Promise<unknown> {
    return this.#tell(topic, 'join', owner, { topic, member });
  }

  /** @param since the last word that the owner is there: if there is a later one, or another log, this is void */
  leave(topic: string, owner: string, since: Cursor, member: unknown): Promise<unknown> {
    const reason = `leave ${since} ${nameOf(topic, owner)}`;
    return this.#tell(topic, 'leave', `${since} ${owner}`, { topic, member }, reason);
  }

  /** @param since from where on the topic was told as it is: if it is not told like this any more, this is void */
  count(topic: string, since: Cursor, count: number): Promise<unknown> {
    return this.#tell(topic, 'count', since, { topic, count }, `room ${since} ${topic}`);
  }

  /** From now on they are told by name, each anew. */
  startList(topic: string, since: Cursor): Promise<unknown> {
    const data = { topic, members: [] };
    return this.#tell(topic, 'members', since, data, `room ${since} ${topic}`);
  }

  /** Who knows what was told is to say it. */
  ask(by: string): Promise<unknown> {
    return this.#bus.publishInternal(PRESENCE_TOPIC, { by }, { type: 'ask' });
  }

  /** @param reason why it is said, the same for all that say it */
  state(state: ToldState, reason: string): Promise<unknown> {
    const told = statePartsOf(state).map((part) => {
      const [number] = part.part ?? [];
      const which = number === undefined ? '' : ` ${part.upTo} ${part.id} ${number}`;
      return this.#bus.publishInternal(PRESENCE_TOPIC, part, {
        type: 'state',
        idempotencyKey: `${PRESENCE_TOPIC} state ${reason}${which}`,
      });
    });
    return Promise.all(told);
  }

  #tell(topic: string, type: string, key: string, data: object, reason?: string): Promise<unknown> {
    const once = reason === undefined ? {} : { idempotencyKey: `${PRESENCE_TOPIC} ${reason}` };
    return this.#bus.publishInternal([PRESENCE_TOPIC, toldTopic(topic)], data, {
      type,
      key,
      ...once,
    });
  }
}
