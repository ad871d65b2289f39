import { type Cursor, formatCursor, parseCursor } from '../log/cursor.js';
import type { Entry } from '../log/entry.js';
import type { Log } from '../log/log.js';
import { isMessage } from '../registry/message.js';
import { Parts } from '../registry/parts.js';
import {
  parseName,
  PRESENCE_TOPIC,
  type ToldRoom,
  type ToldState,
  type ToldStatePart,
} from './presence-log.js';
import { Room } from './room.js';

/** Told what the log says about presence, as it is read. */
export interface RosterObserver {
  /** An owner has joined, or left. */
  onChange(topic: string, owner: string): void;
  /** A topic is counted from now on, or told by name. */
  onRoomChange(topic: string): void;
  /** It is known what was told, as a whole, or it is not known any more. */
  onKnown(isKnown: boolean): void;
  /** Another instance asks what was told. */
  onAsk(offset: number): void;
}

/**
 * Who was told to be there: a function of the log, the same on every instance. An entry of a kind that says what is
 * known already, or answers what is not so any more, is there for nobody.
 */
export class Roster {
  readonly #log: Log;
  readonly #observer: RosterObserver;
  readonly #rooms = new Map<string, Room>();
  readonly #parts = new Parts<ToldRoom>();
  /** Offsets of entries that clients are not told, the oldest first. */
  readonly #void = new Set<number>();
  #epoch = '';
  #position = 0;
  #isKnown = false;
  /** Up to here it is not known which entries clients are told. */
  #base = 0;
  /** What an instance that begins needs the log to reach back to. */
  #stateAt = 0;
  readonly #waiting = new Set<(isKnown: boolean) => void>();
  #isClosed = false;

  constructor(log: Log, observer: RosterObserver) {
    this.#log = log;
    this.#observer = observer;
  }

  get isKnown(): boolean {
    return this.#isKnown;
  }

  get epoch(): string {
    return this.#epoch;
  }

  /** The offset up to which this is what was told. */
  get position(): number {
    return this.#position;
  }

  get base(): number {
    return this.#base;
  }

  get stateAt(): number {
    return this.#stateAt;
  }

  get rooms(): ReadonlyMap<string, Room> {
    return this.#rooms;
  }

  get state(): ToldState {
    const rooms = Array.from(this.#rooms, ([topic, room]) => room.toState(topic));
    return { upTo: this.#position, rooms };
  }

  /** As the log names an offset of what was told. */
  cursorAt(offset: number): Cursor {
    return formatCursor(this.#epoch, offset);
  }

  isMember(topic: string, owner: string): boolean {
    return this.#rooms.get(topic)?.get(owner) !== undefined;
  }

  isCounted(topic: string): boolean {
    return this.#rooms.get(topic)?.count !== undefined;
  }

  /** Whether clients are told an entry of this log. */
  isTold(offset: number): boolean {
    return !this.#void.has(offset);
  }

  /**
   * Resolves when it is known what was told, which may be over by the time that somebody looks: see {@link catchUp}.
   *
   * @returns false if nothing is read any more
   */
  whenKnown(): Promise<boolean> {
    if (this.#isKnown || this.#isClosed) return Promise.resolve(this.#isKnown);
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  /**
   * Reads what the log has more.
   *
   * @returns whether it is known what was told
   */
  catchUp(): boolean {
    const whole = this.#wholeAfter;
    if (this.#epoch !== this.#log.epoch || whole > this.#position) this.#begin(whole);
    const { entries } = this.#log.indexOf(PRESENCE_TOPIC);
    for (let position = entries.seek(this.#position); ; position++) {
      const entry = entries.at(position);
      if (entry === undefined) break;
      if (entry.type === 'state' && this.#adopt(entry, whole)) {
        position = entries.seek(this.#position) - 1;
        continue;
      }
      this.#position = entry.offset;
      if (this.#isKnown && !this.#read(entry)) this.#void.add(entry.offset);
    }
    this.#position = this.#log.head;
    this.#forgetVoid(whole);
    return this.#isKnown;
  }

  /** Nobody says what was told: what this instance finds in its log has to do. */
  assume(): void {
    if (this.catchUp()) return;
    this.#position = this.#wholeAfter;
    this.#know(this.#log.head);
    this.catchUp();
  }

  /** Nothing is read any more. */
  close(): void {
    this.#isClosed = true;
    this.#tellWaiting();
  }

  /** The offset from which on the log has all that was said: nothing was trimmed, and there is no hole. */
  get #wholeAfter(): number {
    return Math.max(this.#log.indexOf(PRESENCE_TOPIC).lost, this.#log.lastHole);
  }

  /** Another log, or one that entries are missing of. */
  #begin(whole: number): void {
    this.#epoch = this.#log.epoch;
    this.#position = whole;
    this.#rooms.clear();
    this.#void.clear();
    this.#parts.clear();
    this.#stateAt = 0;
    this.#isKnown = false;
    if (this.#position === 0) this.#know(0);
    else this.#observer.onKnown(false);
  }

  #know(base: number): void {
    this.#isKnown = true;
    this.#base = base;
    this.#observer.onKnown(true);
    this.#tellWaiting();
  }

  #tellWaiting(): void {
    for (const resolve of this.#waiting) resolve(this.#isKnown);
    this.#waiting.clear();
  }

  /** What another instance says was told; true if it is read on from there. */
  #adopt(entry: Entry, whole: number): boolean {
    const { upTo, rooms: some, part, id } = entry.event.data as unknown as ToldStatePart;
    const rooms = this.#parts.join(`${upTo} ${id}`, part, some);
    if (rooms === undefined) return false;
    if (upTo > this.#stateAt) this.#stateAt = upTo;
    if (this.#isKnown || upTo < whole) return false;
    for (const room of rooms) {
      const begun = this.#rooms.get(room[0]);
      if (begun === undefined) this.#rooms.set(room[0], Room.of(room));
      else begun.add(room);
    }
    this.#position = upTo;
    this.#know(upTo);
    return true;
  }

  /** False if clients are not told. */
  #read({ type, key = '', offset, event }: Entry): boolean {
    const { topic = '', member, count = 0 } = event.data as unknown as ToldData;
    switch (type) {
      case 'join':
        return this.#join(topic, key, member, offset);
      case 'leave':
        return this.#leave(topic, key);
      case 'count':
        return this.#count(topic, this.#offsetOf(key), count, offset);
      case 'members':
        return this.#startList(topic, this.#offsetOf(key));
      case 'ask':
        this.#observer.onAsk(offset);
        return true;
      case undefined:
        this.#refresh(event.data, offset);
    }
    return true;
  }

  #join(topic: string, owner: string, member: unknown, offset: number): boolean {
    let room = this.#rooms.get(topic);
    if (room === undefined) this.#rooms.set(topic, (room = new Room(offset)));
    if (!room.join(owner, member, offset)) return false;
    this.#observer.onChange(topic, owner);
    return true;
  }

  #leave(topic: string, key: string): boolean {
    const space = key.indexOf(' ');
    const owner = key.slice(space + 1);
    const room = this.#rooms.get(topic);
    const since = this.#offsetOf(key.slice(0, space));
    if (since === undefined || room?.leave(owner, since) !== true) return false;
    if (room.isEmpty) this.#rooms.delete(topic);
    this.#observer.onChange(topic, owner);
    return true;
  }

  #count(topic: string, since: number | undefined, count: number, offset: number): boolean {
    const room = this.#rooms.get(topic);
    if (room === undefined || room.since !== since) return false;
    room.countAs(count, offset);
    this.#observer.onRoomChange(topic);
    return true;
  }

  #startList(topic: string, since: number | undefined): boolean {
    const room = this.#rooms.get(topic);
    if (room?.count === undefined || room.since !== since) return false;
    this.#rooms.delete(topic);
    this.#observer.onRoomChange(topic);
    return true;
  }

  /** Undefined for that of another log: what answers it is void, however its offsets coincide with those of this one. */
  #offsetOf(cursor: Cursor): number | undefined {
    const position = parseCursor(cursor);
    return position?.epoch === this.#epoch ? position.offset : undefined;
  }

  /** An instance says whom it has. */
  #refresh(data: unknown, offset: number): void {
    if (!isMessage(data)) return;
    for (const [name] of data.add ?? []) {
      const [topic, owner] = parseName(name) ?? [];
      if (topic !== undefined && owner !== undefined)
        this.#rooms.get(topic)?.refresh(owner, offset);
    }
  }

  #forgetVoid(upTo: number): void {
    for (const offset of this.#void) {
      if (offset > upTo) return;
      this.#void.delete(offset);
    }
  }
}

/** What clients are told. */
interface ToldData {
  readonly topic?: string;
  readonly member?: unknown;
  readonly count?: number;
}
