import { Logger } from '@nestjs/common';
import type { Subscription } from 'rxjs';
import type { EventBus } from '../bus/event-bus.js';
import { LogRegistryPort } from '../control/registry-port.js';
import { received, renderError } from '../errors.js';
import { toRecord } from '../log/event-record.js';
import type { Statistics } from '../nest/statistics.js';
import { Registry } from '../registry/registry.js';
import { Attendance, type AttendanceObserver } from './attendance.js';
import { Doorkeeper } from './doorkeeper.js';
import { Headcount } from './headcount.js';
import { LocalRegistry, type RegistryLike } from './local-registry.js';
import { PRESENCE_TOPIC, PresenceLog } from './presence-log.js';
import type { ResolvedPresence } from './presence-options.js';
import { Roster, type RosterObserver } from './roster.js';
import { isStateDue } from './state-due.js';

/** Milliseconds between two looks at what is not told by what happens. */
const INTERVAL = 1_000;
/** Milliseconds after which nobody is expected to answer any more. */
const ANSWER_TIMEOUT = 2_000;
/** Who is not heard of is found at the latest when a third of a lease has passed again: by then the whole of it is over. */
const LEASE_PART = 0.7;

/** Presence on one instance: knows whom it has and what was told, and sees that the one becomes the other. */
export class Reception implements AttendanceObserver, RosterObserver {
  readonly roster: Roster;
  readonly #statistics: Statistics;
  readonly #options: ResolvedPresence;
  readonly #log: PresenceLog;
  readonly #doorkeeper: Doorkeeper;
  readonly #headcount: Headcount;
  readonly #subscription: Subscription;
  readonly #port: LogRegistryPort | undefined;
  readonly #timer: NodeJS.Timeout;
  readonly #logger = new Logger('SsePresence');
  readonly #instance: string;
  /** Since when it is not known what was told; undefined while it is. */
  #unknownSince: number | undefined;
  #stateSaidAt = performance.now();
  #stateAt = 0;
  #hasWarned = false;
  /** From then on it is known whom the others have. */
  readonly #countsFrom: number;

  constructor(statistics: Statistics, options: ResolvedPresence) {
    const { bus, connections, log, backplane } = statistics;
    const { isLocal } = backplane;
    this.#statistics = statistics;
    this.#options = options;
    this.#instance = connections.instance;
    this.#countsFrom = performance.now() + (isLocal ? 0 : options.lease);
    this.#log = new PresenceLog(bus);
    this.roster = new Roster(log, this);
    this.#doorkeeper = new Doorkeeper(options, this.#instance, this.roster, this.#log);
    const { attendees } = this.#doorkeeper;
    this.#headcount = new Headcount(options.maxMembers, attendees, this.roster, this.#log);
    this.#port = isLocal ? undefined : new LogRegistryPort(bus, PRESENCE_TOPIC, this.#instance);
    this.#doorkeeper.open(this.#registry());
    this.#subscription = bus.follow(PRESENCE_TOPIC).subscribe(() => this.roster.catchUp());
    this.#timer = setInterval(() => this.#look(), INTERVAL).unref();
    connections.attendance = new Attendance((topic) => this.isFollowed(topic), this);
    this.roster.catchUp();
  }

  get bus(): EventBus {
    return this.#statistics.bus;
  }

  /** Whether it is told who reads a topic. */
  isFollowed(topic: string): boolean {
    return this.#options.topics.some((pattern) => pattern.matches(topic));
  }

  /** How many there are in a topic, as far as this instance knows. */
  count(topic: string): number {
    return this.#doorkeeper.attendees.count(topic);
  }

  /** Topics that somebody is in. */
  get topics(): number {
    return [...this.#doorkeeper.attendees.topics].length;
  }

  onEnter(topic: string, owner: string, tags: readonly string[]): void {
    const attendee = this.#doorkeeper.attendees.open(topic, owner);
    const visit = (attendee.visit = {});
    this.#describe(owner, tags).then(
      (member) => {
        if (attendee.visit === visit) this.#doorkeeper.enter(attendee, member);
      },
      (error: unknown) =>
        this.#logger.error(
          `An owner in ${received(topic)} is not told: describe() has to return what JSON holds, and has failed`,
          renderError(error),
        ),
    );
  }

  onExit(topic: string, owner: string): void {
    this.#doorkeeper.exit(topic, owner);
  }

  onNobody(topic: string): void {
    if (this.#hasWarned || this.#statistics.options.identify !== undefined) return;
    this.#hasWarned = true;
    this.#logger.warn(
      `A connection that reads ${received(topic)} has no owner, so nobody is told of it: say whose it is, by identify of ` +
        'SseModule.forRoot() or by @SseConnection().identify()',
    );
  }

  onChange(topic: string, owner: string): void {
    this.#doorkeeper.onChange(topic, owner);
    this.#headcount.onChange(topic);
  }

  onRoomChange(topic: string): void {
    this.#headcount.onRoomChange(topic);
    this.#doorkeeper.review(topic);
  }

  onKnown(isKnown: boolean): void {
    if (isKnown) this.#unknownSince = undefined;
    else {
      this.#unknownSince ??= performance.now();
      this.#ask();
    }
    const { attendees } = this.#doorkeeper;
    for (const topic of new Set([...attendees.topics, ...this.roster.rooms.keys()])) {
      this.onRoomChange(topic);
      this.#headcount.onChange(topic);
    }
  }

  onAsk(offset: number): void {
    this.#sayState(`${this.roster.epoch} ${offset}`);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#subscription.unsubscribe();
    this.roster.close();
    await this.#doorkeeper.close();
    this.#port?.close();
  }

  #registry(): RegistryLike {
    const doorkeeper = this.#doorkeeper;
    if (this.#port === undefined) return new LocalRegistry(this.#instance, doorkeeper);
    return new Registry(this.#port, Math.round(this.#options.lease * LEASE_PART), doorkeeper);
  }

  async #describe(owner: string, tags: readonly string[]): Promise<unknown> {
    const member = await this.#options.describe(owner, tags);
    const { maxEventBytes: maxBytes } = this.#statistics.options;
    toRecord([PRESENCE_TOPIC], { data: member }, { maxBytes });
    return JSON.parse(JSON.stringify(member)) as unknown;
  }

  #look(): void {
    const { roster } = this;
    if (!roster.catchUp()) {
      if (performance.now() - (this.#unknownSince ?? 0) >= ANSWER_TIMEOUT) roster.assume();
      else this.#ask();
      return;
    }
    if (performance.now() >= this.#countsFrom) this.#headcount.tell();
    this.#keepState();
  }

  /** Sees that an instance that begins finds in the log what was told. */
  #keepState(): void {
    const { roster } = this;
    const { log, options, backplane } = this.#statistics;
    if (roster.stateAt !== this.#stateAt) this.#stateSaidAt = performance.now();
    this.#stateAt = roster.stateAt;
    if (backplane.isLocal || !isStateDue(log, options.history, roster.stateAt, this.#stateSaidAt))
      return;
    this.#sayState(`${roster.epoch} after ${roster.stateAt}`);
  }

  #sayState(reason: string): void {
    if (this.roster.isKnown) this.#log.state(this.roster.state, reason).catch(() => {});
  }

  #ask(): void {
    this.#log.ask(this.#instance).catch(() => {});
  }
}
