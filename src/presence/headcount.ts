import type { Attendees } from './attendee.js';
import type { PresenceLog } from './presence-log.js';
import type { Roster } from './roster.js';

/** Sees that topics with too many members are counted, and named again when there are half as many. */
export class Headcount {
  readonly #max: number;
  readonly #attendees: Attendees;
  readonly #roster: Roster;
  readonly #log: PresenceLog;
  readonly #counted = new Set<string>();
  /** Topics of which it was said that they have too many members, and as what they were told then. */
  readonly #said = new Map<string, number>();

  constructor(max: number, attendees: Attendees, roster: Roster, log: PresenceLog) {
    this.#max = max;
    this.#attendees = attendees;
    this.#roster = roster;
    this.#log = log;
  }

  /** Somebody has joined, or left. */
  onChange(topic: string): void {
    const room = this.#roster.rooms.get(topic);
    if (room === undefined) this.#said.delete(topic);
    if (room === undefined || room.size <= this.#max || this.#said.get(topic) === room.since)
      return;
    this.#said.set(topic, room.since);
    const count = this.#attendees.count(topic);
    const since = this.#roster.cursorAt(room.since);
    this.#log.count(topic, since, count).catch(() => this.#said.delete(topic));
  }

  onRoomChange(topic: string): void {
    this.#said.delete(topic);
    if (this.#roster.isCounted(topic)) this.#counted.add(topic);
    else this.#counted.delete(topic);
  }

  /** Says how many there are where that has changed. To be called now and then. */
  tell(): void {
    for (const topic of this.#counted) {
      const { count, since: offset = 0 } = this.#roster.rooms.get(topic) ?? {};
      const since = this.#roster.cursorAt(offset);
      const now = this.#attendees.count(topic);
      if (count === undefined) this.#counted.delete(topic);
      else if (now <= this.#max / 2) this.#log.startList(topic, since).catch(() => {});
      else if (now !== count) this.#log.count(topic, since, now).catch(() => {});
    }
  }
}
