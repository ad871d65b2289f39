import type { AttendancePort } from '../delivery/attendance-port.js';
import type { Connection } from '../delivery/connection.js';
import { nameOf } from './presence-log.js';

/** Told whom this instance has. */
export interface AttendanceObserver {
  onEnter(topic: string, owner: string, tags: readonly string[]): void;
  onExit(topic: string, owner: string): void;
  /** Nobody has said whose connection it is that reads a topic. */
  onNobody(topic: string): void;
}

/** What a connection counts for. */
interface Reading {
  readonly owner: string;
  readonly topics: ReadonlySet<string>;
}

/** Which owners read which topics on this instance, over however many connections. */
export class Attendance implements AttendancePort {
  readonly #isFollowed: (topic: string) => boolean;
  readonly #observer: AttendanceObserver;
  readonly #readings = new Map<Connection, Reading>();
  readonly #changed = new Set<Connection>();
  /** Connections, by owner and topic. */
  readonly #counts = new Map<string, number>();

  constructor(isFollowed: (topic: string) => boolean, observer: AttendanceObserver) {
    this.#isFollowed = isFollowed;
    this.#observer = observer;
  }

  /** Soon: a handler may open many streams, one after the other. */
  update(connection: Connection): void {
    if (this.#changed.size === 0) queueMicrotask(() => this.#readAll());
    this.#changed.add(connection);
  }

  release(connection: Connection): void {
    const reading = this.#readings.get(connection);
    if (reading === undefined) return;
    this.#readings.delete(connection);
    for (const topic of reading.topics) this.#remove(topic, reading.owner);
  }

  #readAll(): void {
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const connection of changed) this.#read(connection);
  }

  #read(connection: Connection): void {
    if (connection.isEnded) return;
    const { owner, tags } = connection;
    const topics = new Set(connection.topics.filter((topic) => this.#isFollowed(topic)));
    const before = this.#readings.get(connection);
    if (owner === undefined) {
      for (const topic of topics) this.#observer.onNobody(topic);
      return;
    }
    const isSame = before?.owner === owner;
    for (const topic of topics)
      if (!isSame || !before.topics.has(topic)) this.#add(topic, owner, tags);
    for (const topic of before?.topics ?? [])
      if (!isSame || !topics.has(topic)) this.#remove(topic, before?.owner ?? owner);
    if (topics.size > 0) this.#readings.set(connection, { owner, topics });
    else this.#readings.delete(connection);
  }

  #add(topic: string, owner: string, tags: readonly string[]): void {
    const name = nameOf(topic, owner);
    const count = this.#counts.get(name) ?? 0;
    this.#counts.set(name, count + 1);
    if (count === 0) this.#observer.onEnter(topic, owner, tags);
  }

  #remove(topic: string, owner: string): void {
    const name = nameOf(topic, owner);
    const count = (this.#counts.get(name) ?? 1) - 1;
    if (count > 0) {
      this.#counts.set(name, count);
      return;
    }
    this.#counts.delete(name);
    this.#observer.onExit(topic, owner);
  }
}
