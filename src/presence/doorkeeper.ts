import type { Registration, RegistryObserver } from '../registry/registry.js';
import { type Attendee, Attendees } from './attendee.js';
import { Deadlines } from './deadlines.js';
import type { RegistryLike } from './local-registry.js';
import { nameOf, parseName, type PresenceLog } from './presence-log.js';
import type { ResolvedPresence } from './presence-options.js';
import type { Roster } from './roster.js';

/** Milliseconds after which what was not told, by whoever had to, is told by whoever sees it. */
const OVERDUE = 1_000;
/** What part of the lease the instances wait at most, so that not all of them say the same. */
const LEAST_SPREAD = 0.02;
const SPREAD = 0.03;

/** What of the options it goes by. */
type Times = Pick<ResolvedPresence, 'grace' | 'lease'>;

/**
 * Sees that what is told of each owner is what is so: that they are there when an instance has them, and that they are
 * not when none has had them for `grace`. Whoever finds it to be otherwise says so; the log decides.
 */
export class Doorkeeper implements RegistryObserver<unknown> {
  readonly attendees = new Attendees();
  readonly #times: Times;
  readonly #instance: string;
  readonly #roster: Roster;
  readonly #log: PresenceLog;
  readonly #deadlines = new Deadlines<Attendee>((attendee) => this.#check(attendee));
  /** Those of whom it was said just now. */
  readonly #said = new Set<Attendee>();
  #registry: RegistryLike | undefined;

  constructor(times: Times, instance: string, roster: Roster, log: PresenceLog) {
    this.#times = times;
    this.#instance = instance;
    this.#roster = roster;
    this.#log = log;
  }

  open(registry: RegistryLike): void {
    this.#registry = registry;
  }

  /** An owner comes to this instance. */
  enter(attendee: Attendee, member: unknown): void {
    attendee.member = member;
    attendee.wasHere = true;
    this.#registry?.register(nameOf(attendee.topic, attendee.owner), member);
    this.#settle(attendee);
  }

  /** An owner is on this instance no more. */
  exit(topic: string, owner: string): void {
    const attendee = this.attendees.find(topic, owner);
    if (attendee === undefined) return;
    attendee.visit = undefined;
    attendee.seenAt = performance.now();
    this.#awaitReturn(attendee);
    this.#registry?.unregister(nameOf(topic, owner));
  }

  onRegister({ by, key, value }: Registration<unknown>): void {
    const [topic, owner] = parseName(key) ?? [];
    if (topic === undefined || owner === undefined) return;
    const attendee = this.attendees.open(topic, owner);
    attendee.by.add(by);
    attendee.member ??= value;
    attendee.wasHere = by === this.#instance;
    this.#settle(attendee);
  }

  onUnregister({ by, key }: Registration<unknown>, since: number): void {
    const [topic = '', owner = ''] = parseName(key) ?? [];
    const attendee = this.attendees.find(topic, owner);
    if (attendee?.by.delete(by) !== true) return;
    attendee.wasHere = by === this.#instance;
    attendee.seenAt = Math.max(attendee.seenAt, since);
    this.#awaitReturn(attendee);
  }

  /** An owner was told to be there, or not to be. */
  onChange(topic: string, owner: string): void {
    const isMember = this.#roster.isMember(topic, owner);
    const attendee = isMember
      ? this.attendees.open(topic, owner)
      : this.attendees.find(topic, owner);
    if (attendee === undefined) return;
    this.#said.delete(attendee);
    this.#settle(attendee);
  }

  /** Looks at all who are in a topic, or were told to be. */
  review(topic: string): void {
    const { owners = [] } = this.#roster.rooms.get(topic) ?? {};
    for (const owner of owners) this.attendees.open(topic, owner);
    for (const attendee of [...this.attendees.of(topic)]) this.#settle(attendee);
  }

  close(): Promise<void> {
    this.#deadlines.close();
    this.#said.clear();
    return this.#registry?.close() ?? Promise.resolve();
  }

  /** Something may have to be said: at once by who has them, later by the others. */
  #settle(attendee: Attendee): void {
    const { topic, owner, isThere, visit } = attendee;
    const isMember = this.#roster.isMember(topic, owner);
    if (this.#said.has(attendee)) return;
    if (!isThere && isMember) {
      // Whose instance has told it, and has not said yet that it has them; or that died before.
      const { grace, lease } = this.#times;
      if (!this.#deadlines.has(attendee)) this.#deadlines.set(attendee, Math.max(grace, lease));
    } else if (isThere && !isMember && visit === undefined) {
      this.#deadlines.set(attendee, OVERDUE);
    } else if (isThere || isMember || !this.#roster.isCounted(topic)) {
      this.#check(attendee);
    }
  }

  #awaitReturn(attendee: Attendee): void {
    if (attendee.isThere) return;
    const { grace, lease } = this.#times;
    const spread = attendee.wasHere ? 0 : lease * (LEAST_SPREAD + SPREAD * Math.random());
    this.#deadlines.set(attendee, attendee.seenAt + grace - performance.now() + spread);
  }

  #check(attendee: Attendee): void {
    this.#deadlines.clear(attendee);
    this.#said.delete(attendee);
    const { topic, owner, isThere, member } = attendee;
    const told = this.#roster.rooms.get(topic)?.get(owner);
    if (isThere) {
      if (told !== undefined || member === undefined || this.#roster.isCounted(topic)) return;
      this.#say(attendee, this.#log.join(topic, owner, member));
    } else if (told !== undefined) {
      this.#say(
        attendee,
        this.#log.leave(topic, owner, this.#roster.cursorAt(told.since), told.member),
      );
    } else {
      this.attendees.delete(attendee);
    }
  }

  /** Whatever becomes of it: it is looked at again. */
  #say(attendee: Attendee, saying: Promise<unknown>): void {
    this.#said.add(attendee);
    this.#deadlines.set(attendee, OVERDUE);
    saying.catch(() => {});
  }
}
