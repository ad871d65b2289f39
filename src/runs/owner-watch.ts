import type { Subscription } from 'rxjs';
import type { EventBus } from '../bus/event-bus.js';
import { toRecord } from '../log/event-record.js';
import type { SseEvent } from '../log/event.js';
import { endKey } from './own-run.js';
import type { RunRegistry } from './registry.js';
import type { Run } from './run.js';
import { endRecord, registryRecord, type RunEntry } from './run-entry.js';
import { keptFor, OWNERS_TOPIC, topicOf } from './run-topics.js';

/** Parts of a lease: between two looks, between two signs of life, and of silence after which the broker is asked, and a run is lost. */
const LOOK = 1 / 15;
const SIGN = 1 / 5;
const DOUBT = 2 / 5;
const SILENCE = 4 / 5;
/** Runs that one sign of life tells of: of more, each tells of the next ones. */
const TOLD = 200;

interface WatchOptions {
  readonly bus: EventBus;
  readonly registry: RunRegistry;
  readonly instance: string;
  /** Milliseconds. */
  readonly lease: number;
  /** The runs of this instance that are live. */
  readonly own: () => readonly Run[];
}

/** What an owner says of itself now and then: that it is there, and of its runs what they have emitted. */
interface SignOfLife {
  readonly owner: string;
  readonly runs: readonly (readonly [token: string, events: number, bytes: number])[];
}

/**
 * Says that the owner of this instance's runs is alive, and ends the runs of owners that are silent. Silence is
 * measured by this instance's own monotonic clock, from when it read the last sign of life, and only as far as this
 * instance could have read one: neither while it was paused itself, nor while the broker was away.
 */
export class OwnerWatch {
  readonly #options: WatchOptions;
  readonly #heard = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;
  readonly #subscription: Subscription;
  /** When claims of this instance were said again. */
  readonly #renewed = new WeakMap<Run, number>();
  #lookedAt = performance.now();
  #signedAt = -Infinity;
  /** How many of its runs the last signs have told of. */
  #told = 0;
  #isChecking = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    const { bus, lease } = options;
    this.#subscription = bus.follow(OWNERS_TOPIC).subscribe((event) => this.#onSign(event));
    this.#timer = setInterval(() => this.#look(), Math.max(lease * LOOK, 5)).unref();
  }

  /** Whoever claims a run is alive. */
  onClaim(owner: string): void {
    this.#heard.set(owner, performance.now());
  }

  close(): void {
    clearInterval(this.#timer);
    this.#subscription.unsubscribe();
  }

  #onSign(event: SseEvent): void {
    const { owner, runs } = (event.type === 'gap' ? {} : event.data) as Partial<SignOfLife>;
    if (owner === undefined || runs === undefined) {
      // Some may have been missed.
      this.#hearAll();
      return;
    }
    this.#heard.set(owner, performance.now());
    if (owner === this.#options.instance) return;
    for (const [token, events, bytes] of runs) {
      const run = this.#options.registry.ofToken(token);
      if (run === undefined || run.end !== undefined) continue;
      run.events = events;
      run.bytes = bytes;
    }
  }

  #look(): void {
    const { registry, lease, instance } = this.#options;
    if (!registry.isLoaded) return;
    const now = performance.now();
    // It was this process that was paused.
    if (now - this.#lookedAt > lease * SIGN) this.#hearAll();
    this.#lookedAt = now;
    this.#sign(now);
    this.#renew(now);
    registry.forgetExpired();
    const others = registry.all.filter(
      ({ end, claim }) => end === undefined && claim.owner !== instance,
    );
    for (const { claim } of others) if (!this.#heard.has(claim.owner)) this.onClaim(claim.owner);
    this.#forgetOwners(others);
    if (others.some((run) => this.#isSilent(run, DOUBT))) void this.#check();
  }

  #sign(now: number): void {
    const { bus, lease, instance, own } = this.#options;
    const runs = own();
    if (runs.length === 0 || now - this.#signedAt < lease * SIGN) return;
    const next = runs.slice(this.#told, this.#told + TOLD);
    const isAll = this.#told + TOLD >= runs.length;
    this.#told = isAll ? 0 : this.#told + TOLD;
    // There is more to tell when it looks again.
    this.#signedAt = isAll ? now : -Infinity;
    const sign: SignOfLife = {
      owner: instance,
      runs: next.map(({ claim, events, bytes }) => [claim.token, events, bytes]),
    };
    // One that was not published comes again.
    void bus.order(toRecord([OWNERS_TOPIC], { data: sign })).catch(() => {
      this.#signedAt = -Infinity;
    });
  }

  /**
   * Says claims again before they leave the log, which has them for twice as long as a run is kept; among the events of
   * the run too, which are kept until so long after the last of them.
   */
  #renew(now: number): void {
    const { bus, own } = this.#options;
    for (const run of own()) {
      const { claim, tokens } = run;
      const { epoch, offset } = claim.begin;
      const before = this.#renewed.get(run);
      if (before === undefined || now - before < keptFor(claim.token) / 2) {
        if (before === undefined) this.#renewed.set(run, now);
        continue;
      }
      this.#renewed.set(run, now);
      const { id, token, owner, keepFor, lease, at } = claim;
      const since = { epoch, offset, at, tokens };
      const entry: RunEntry = { kind: 'claim', id, token, owner, keepFor, lease, since };
      void bus
        .order(registryRecord(entry, topicOf(id)))
        .catch(() => this.#renewed.set(run, -Infinity));
    }
  }

  /**
   * Reads whatever there is before it says that somebody is gone. It asks for that long before: where it is the broker that is away,
   * nobody is silent, and its owners have their time when it is back.
   */
  async #check(): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    const { bus, registry, lease, instance } = this.#options;
    const asked = performance.now();
    await bus.catchUp();
    this.#isChecking = false;
    if (performance.now() - asked > lease * SIGN) {
      this.#hearAll();
      return;
    }
    for (const run of registry.all) {
      const isOther = run.end === undefined && run.claim.owner !== instance;
      if (isOther && this.#isSilent(run, SILENCE)) this.#declareLost(run);
    }
  }

  #declareLost({ claim, events, bytes }: Run): void {
    const { bus, registry, instance } = this.#options;
    if (registry.isClosed) return;
    const { id, token } = claim;
    const record = endRecord(id, {
      ...{ status: 'lost', token, by: instance, events, bytes },
    });
    // If it fails, it is found silent again.
    void bus.order(record, { idempotencyKey: endKey(token) }).catch(() => {});
  }

  /** @param part of its lease */
  #isSilent({ claim }: Run, part: number): boolean {
    const heard = this.#heard.get(claim.owner);
    return heard !== undefined && performance.now() - heard > claim.lease * part;
  }

  #hearAll(): void {
    const now = performance.now();
    for (const owner of this.#heard.keys()) this.#heard.set(owner, now);
  }

  #forgetOwners(others: readonly Run[]): void {
    const owners = new Set(others.map(({ claim }) => claim.owner));
    for (const owner of this.#heard.keys()) if (!owners.has(owner)) this.#heard.delete(owner);
  }
}
