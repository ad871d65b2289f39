import { Observable, type Subscription } from 'rxjs';
import { received, SseError } from '../errors.js';
import { formatCursor, parseCursor } from '../log/cursor.js';
import type { NewEvent, SseEvent } from '../log/event.js';
import { checkTopics } from '../log/event-record.js';
import { toldTopic } from './presence-log.js';
import type { Reception } from './reception.js';

/** What is told of a member: what `describe` returned, as JSON gives it back. */
export type PresenceMember = string | number | boolean | object | null;

/** The events of a presence stream, and their data. */
export interface PresenceEvents {
  /** All members: in the place of what the client knew. */
  readonly members: { readonly topic: string; readonly members: readonly PresenceMember[] };
  readonly join: { readonly topic: string; readonly member: PresenceMember };
  readonly leave: { readonly topic: string; readonly member: PresenceMember };
  /** There are more than `maxMembers`: from now on, how many. */
  readonly count: { readonly topic: string; readonly count: number };
}

/** Who reads a topic. */
export interface PresenceList {
  readonly count: number;
  /** Undefined where there are more than `maxMembers`. */
  readonly members: readonly PresenceMember[] | undefined;
}

/** Who reads a topic, on all instances: the owners of connections that are open, each once. */
export class SsePresence {
  readonly #reception: Reception;

  /** @internal Made by `SsePresenceModule`. */
  constructor(reception: Reception) {
    this.#reception = reception;
  }

  /**
   * Tells who reads a topic: first all `members`, then each `join` and `leave`, none of them missing or told twice; of
   * more than `maxMembers` only their `count`. They are events of the log, in one order with what is published to the
   * topic. A client that comes back is told what it missed, or all `members` anew.
   *
   * @throws SseError `BAD_TOPIC` for a topic that the module's `topics` does not name
   * @example return merge(this.bus.stream(`room.${id}`), this.presence.stream(`room.${id}`));
   */
  stream(topics: string | readonly string[]): Observable<SseEvent<PresenceEvents>> {
    const followed = this.#followed(topics);
    const { roster } = this.#reception;
    return new Observable<SseEvent>((subscriber) => {
      let subscription: Subscription | undefined;
      const open = () => {
        if (subscriber.closed) return;
        if (roster.catchUp()) subscription = this.#open(followed).subscribe(subscriber);
        else void roster.whenKnown().then((isKnown) => (isKnown ? open() : subscriber.complete()));
      };
      open();
      return () => subscription?.unsubscribe();
    }) as Observable<SseEvent<PresenceEvents>>;
  }

  /**
   * Who reads a topic now.
   *
   * @throws SseError as a rejection, `BAD_TOPIC` for a topic that the module's `topics` does not name, and
   * `BACKPLANE_CLOSED` if the application shuts down before that is known
   */
  async list(topic: string): Promise<PresenceList> {
    const [followed = topic] = this.#followed([topic]);
    const { roster } = this.#reception;
    while (!roster.catchUp()) if (!(await roster.whenKnown())) throw closedError();
    const room = roster.rooms.get(followed);
    if (room?.count !== undefined)
      return { count: this.#reception.count(followed), members: undefined };
    const members = (room?.members ?? []) as PresenceMember[];
    return { count: members.length, members };
  }

  /** A stream of its own for each subscriber: where its list ends is where the rest begins. */
  #open(topics: readonly string[]): Observable<SseEvent> {
    const { roster } = this.#reception;
    let after = { epoch: '', offset: 0 };
    const snapshot = async () => {
      // Who shuts down has nobody left to tell.
      while (!roster.catchUp()) if (!(await roster.whenKnown())) return [];
      after = { epoch: roster.epoch, offset: roster.position };
      return topics.map((topic) => this.#listEvent(topic));
    };
    const where = ({ id }: SseEvent) => {
      const position = parseCursor(id ?? '');
      const isKnown = roster.catchUp();
      if (position === undefined || position.epoch !== roster.epoch) return false;
      // Before what this instance missed: the client that has yet to read it is told all members after that.
      if (!isKnown || position.offset <= roster.base) return false;
      if (position.epoch === after.epoch && position.offset <= after.offset) return false;
      return roster.isTold(position.offset);
    };
    const { epoch, base } = roster;
    return this.#reception.bus.streamInternal(topics.map(toldTopic), {
      snapshot,
      where,
      // What was told before this instance knew: who comes back from there gets all of it anew.
      ...(base > 0 && { notBefore: formatCursor(epoch, base) }),
    });
  }

  #listEvent(topic: string): NewEvent {
    const room = this.#reception.roster.rooms.get(topic);
    return room?.count === undefined
      ? { type: 'members', data: { topic, members: room?.members ?? [] } }
      : { type: 'count', data: { topic, count: room.count } };
  }

  #followed(topics: string | readonly string[]): readonly string[] {
    const checked = checkTopics(topics);
    const other = checked.find((topic) => !this.#reception.isFollowed(topic));
    if (other === undefined) return checked;
    throw new SseError(
      'BAD_TOPIC',
      `Nobody is told who reads ${received(other)}: name it, or a pattern that selects it, in topics of ` +
        "SsePresenceModule.forRoot({ topics: ['room.**'] })",
    );
  }
}

function closedError(): SseError {
  return new SseError(
    'BACKPLANE_CLOSED',
    'The application shuts down: it is not known who reads a topic',
  );
}
