import { isMessage, type Message, type RegistryPort } from './message.js';
import { Parts, split } from './parts.js';

/** Something that an instance has registered, and that every instance knows of. */
export interface Registration<Value> {
  /** Which instance has. */
  readonly by: string;
  /** Its name for it. */
  readonly key: string;
  readonly value: Value;
  /** When it was registered, in milliseconds since the Unix epoch, by the clock of whoever orders the log. */
  readonly at: number;
}

/** Told what is registered, on every instance in the same order. */
export interface RegistryObserver<Value> {
  onRegister(registration: Registration<Value>): void;
  /** @param since when there was word of it last, on the monotonic clock: before now for who is not heard of any more */
  onUnregister(registration: Registration<Value>, since: number): void;
}

/** Milliseconds that what was registered first waits for more, and that pass between two messages. */
const FIRST_WAIT = 10;
const WAIT = 200;
/** Milliseconds that the last message may take: if it is not heard, the lease runs out. */
const LAST_MOMENT = 500;
/** How often a lease is renewed while it lasts. */
const RENEWALS = 3;

type Addition = NonNullable<Message['add']>[number];

/** What one instance has, and until when it is believed. */
class Lease<Value> {
  readonly registrations = new Map<string, Registration<Value>>();
  expiresAt = Infinity;
  heardAt = performance.now();
}

/**
 * What all instances have registered, by the log: each tells what it has, tells all of it when somebody asks, and
 * renews its lease; what an instance has whose lease is over is unregistered everywhere. Who begins asks.
 */
export class Registry<Value> {
  readonly #port: RegistryPort;
  readonly #observer: RegistryObserver<Value>;
  /** Milliseconds. */
  readonly #lease: number;
  readonly #own = new Map<string, Value>();
  readonly #leases = new Map<string, Lease<Value>>();
  readonly #parts = new Parts<Addition>();
  #added = new Set<string>();
  #removed = new Set<string>();
  /** Whether the others need all that this instance has, and whether it needs what they have. */
  #owesAll = true;
  #asks = true;
  #timer: NodeJS.Timeout | undefined;
  readonly #renewal: NodeJS.Timeout;
  #toldAt = -Infinity;
  /** When what this instance told last came back to it. */
  #heardAt: number;
  /** Whether nobody can be found to be dead, because it is this instance that hears nothing. */
  #isDeaf = false;
  #isClosed = false;

  constructor(port: RegistryPort, lease: number, observer: RegistryObserver<Value>) {
    this.#port = port;
    this.#lease = lease;
    this.#observer = observer;
    this.#heardAt = performance.now();
    port.listen({
      onMessage: (data, at) => this.#read(data, at),
      onGap: () => this.#onGap(),
    });
    this.#renewal = setInterval(() => this.#renew(), lease / RENEWALS).unref();
    this.#tellSoon();
  }

  register(key: string, value: Value): void {
    this.#own.set(key, value);
    this.#added.add(key);
    this.#tellSoon();
  }

  unregister(key: string): void {
    if (!this.#own.delete(key)) return;
    this.#added.delete(key);
    this.#removed.add(key);
    this.#tellSoon();
  }

  /** What this instance has is unregistered at once, as far as the log can still be told. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#renewal);
    clearTimeout(this.#timer);
    const { instance: by } = this.#port;
    const told = this.#port.publish({ by, lease: this.#lease, left: true }).catch(() => {});
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, LAST_MOMENT)));
    await Promise.race([told, late]);
    clearTimeout(timer);
  }

  #tellSoon(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    const wait = Math.max(FIRST_WAIT, this.#toldAt + WAIT - performance.now());
    this.#timer = setTimeout(() => this.#tell(), wait).unref();
  }

  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#toldAt = performance.now();
    const messages = this.#messages();
    const [{ ask } = {}] = messages;
    this.#added = new Set();
    this.#removed = new Set();
    this.#owesAll = this.#asks = false;
    // Whatever has become of it: all of it is told, and asked for, again.
    Promise.all(messages.map((message) => this.#port.publish(message))).catch(() => {
      this.#owesAll = true;
      this.#asks ||= ask === true;
      this.#tellSoon();
    });
  }

  #messages(): Message[] {
    const { instance: by } = this.#port;
    const header = { by, lease: this.#lease, ...(this.#owesAll && { all: true as const }) };
    const [add = [], ...more] = split(this.#additions());
    const of = more.length + 1;
    const isCut = this.#owesAll && of > 1;
    const first: Message = {
      ...header,
      ...(isCut && { part: [1, of] }),
      ...(this.#asks && { ask: true }),
      ...(add.length > 0 && { add }),
      ...(this.#removed.size > 0 && !this.#owesAll && { remove: [...this.#removed] }),
    };
    const others = more.map((each, index): Message => ({
      ...header,
      ...(isCut && { part: [index + 2, of] }),
      add: each,
    }));
    return [first, ...others];
  }

  #additions(): Addition[] {
    const mine = this.#leases.get(this.#port.instance)?.registrations;
    const keys = this.#owesAll ? [...this.#own.keys()] : [...this.#added];
    return keys.map((key) => {
      const value = this.#own.get(key);
      const known = mine?.get(key);
      return known?.value === value && known !== undefined
        ? ([key, value, known.at] as const)
        : ([key, value] as const);
    });
  }

  #renew(): void {
    this.#expire();
    const isDue = performance.now() - this.#toldAt >= this.#lease / RENEWALS / 2;
    if (isDue || this.#owesAll || this.#asks) this.#tell();
  }

  #expire(): void {
    const now = performance.now();
    this.#isDeaf ||= now - this.#heardAt > (this.#lease * 2) / RENEWALS;
    if (this.#isDeaf) return;
    for (const [by, { expiresAt, heardAt }] of this.#leases)
      if (now >= expiresAt) this.#evict(by, heardAt);
  }

  #read(data: unknown, at: number): void {
    if (!isMessage(data)) return;
    const isOwn = data.by === this.#port.instance;
    if (isOwn) this.#onHeard();
    if (data.left === true) {
      this.#evict(data.by, performance.now());
      return;
    }
    if (data.ask === true && !isOwn && this.#own.size > 0) {
      this.#owesAll = true;
      this.#tellSoon();
    }
    const add = this.#parts.join(data.by, data.part, data.add ?? []);
    if (add === undefined) {
      const [number, of] = data.part ?? [0, 0];
      if (number === of) this.#askSoon();
      return;
    }
    const lease = this.#leaseOf(data);
    if (lease === undefined) return;
    lease.heardAt = performance.now();
    if (!isOwn) lease.expiresAt = lease.heardAt + data.lease;
    this.#apply({ ...data, add }, lease, at);
  }

  #askSoon(): void {
    this.#asks = true;
    this.#tellSoon();
  }

  /** Undefined for an instance of which this one does not know what it had before: then it asks. */
  #leaseOf({ by, all }: Message): Lease<Value> | undefined {
    const known = this.#leases.get(by);
    if (known !== undefined) return known;
    if (all !== true) {
      this.#askSoon();
      return undefined;
    }
    const lease = new Lease<Value>();
    this.#leases.set(by, lease);
    return lease;
  }

  #apply({ by, all, add = [], remove = [] }: Message, { registrations }: Lease<Value>, at: number) {
    const kept = all === true ? new Set(add.map(([key]) => key)) : undefined;
    const gone = kept && [...registrations.keys()].filter((key) => !kept.has(key));
    for (const key of gone ?? remove) this.#forget(registrations, key);
    for (const [key, value, since = at] of add) {
      const known = registrations.get(key);
      if (known !== undefined && JSON.stringify(known.value) === JSON.stringify(value)) continue;
      this.#forget(registrations, key);
      const isMine = by === this.#port.instance;
      const own = isMine && this.#own.has(key) ? this.#own.get(key) : value;
      const registration = { by, key, value: own as Value, at: since };
      registrations.set(key, registration);
      this.#observer.onRegister(registration);
    }
  }

  #forget(
    registrations: Map<string, Registration<Value>>,
    key: string,
    since = performance.now(),
  ): void {
    const registration = registrations.get(key);
    if (registration === undefined) return;
    registrations.delete(key);
    this.#observer.onUnregister(registration, since);
  }

  #evict(by: string, since: number): void {
    const lease = this.#leases.get(by);
    if (lease === undefined) return;
    this.#leases.delete(by);
    for (const key of [...lease.registrations.keys()])
      this.#forget(lease.registrations, key, since);
  }

  #onHeard(): void {
    this.#heardAt = performance.now();
    if (!this.#isDeaf) return;
    this.#isDeaf = false;
    // What the others have told meanwhile may still be on its way.
    for (const lease of this.#leases.values()) {
      if (lease.expiresAt !== Infinity) lease.expiresAt = this.#heardAt + this.#lease;
    }
  }

  /** Messages may be missing: everybody tells all, and who has gone meanwhile does not. */
  #onGap(): void {
    this.#owesAll = this.#asks = true;
    this.#tellSoon();
  }
}
