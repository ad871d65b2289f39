import type { Connection } from '../delivery/connection.js';
import type { LimitPort } from '../delivery/limit-port.js';
import { Registry, type Registration, type RegistryObserver } from '../registry/registry.js';
import type { RegistryPort } from '../registry/message.js';
import type { ResolvedLimits } from './limit-options.js';
import { Seat, Seats } from './seats.js';

/** The topic of the log that the connections of all instances are told under. */
export const LIMITS_TOPIC = '$limits';

/** Whose connection it is, as instances tell each other. */
interface Claim {
  readonly owner?: string;
  readonly address?: string;
}

/**
 * How many connections each owner and each address has on all instances. What this instance lets in counts at once; when
 * the log has put it in its place among those of the others, every instance knows which are too many, and ends
 * its own.
 */
export class Limits implements LimitPort, RegistryObserver<Claim> {
  readonly #options: ResolvedLimits;
  readonly #byOwner: Seats | undefined;
  readonly #byAddress: Seats | undefined;
  readonly #own = new Map<Connection, Seat>();
  /** Of all instances, by instance and key. */
  readonly #seats = new Map<string, Seat>();
  readonly #instance: string;
  /** Undefined where there is one instance. */
  readonly #registry: Registry<Claim> | undefined;
  /** Counts what this instance lets in. */
  #count = 0;

  /** @param port undefined where there is one instance */
  constructor(options: ResolvedLimits, port: RegistryPort | undefined) {
    const { perOwner, perAddress, lease } = options;
    this.#options = options;
    this.#byOwner = perOwner === false ? undefined : new Seats(perOwner);
    this.#byAddress = perAddress === false ? undefined : new Seats(perAddress);
    this.#instance = port?.instance ?? '';
    this.#registry = port && new Registry(port, lease, this);
  }

  admit(connection: Connection): void {
    const known = this.#own.get(connection);
    const { owner, remoteAddress: address } = connection;
    if (connection.isEnded || (known !== undefined && known.owner === owner)) return;
    this.release(connection);
    const seat = new Seat(String(++this.#count), owner, address, connection, this.#instance);
    if (this.#options.then === 'refuse' && this.#isRefused(seat)) {
      connection.end('refused');
      return;
    }
    this.#own.set(connection, seat);
    this.#take(seat);
    if (this.#registry === undefined) this.#place(seat, this.#count);
    else this.#registry.register(seat.key, claimOf(seat));
  }

  release(connection: Connection): void {
    const seat = this.#own.get(connection);
    if (seat === undefined) return;
    this.#own.delete(connection);
    this.#leave(seat);
    this.#registry?.unregister(seat.key);
  }

  onRegister({ by, key, value, at }: Registration<Claim>): void {
    const known = this.#seats.get(nameOf(by, key));
    // What has ended here is on its way out there too.
    if (known === undefined && by === this.#instance) return;
    const seat = known ?? new Seat(key, value.owner, value.address, undefined, by);
    if (known === undefined) this.#take(seat);
    this.#place(seat, at);
  }

  onUnregister({ by, key }: Registration<Claim>): void {
    const seat = this.#seats.get(nameOf(by, key));
    if (seat !== undefined && seat.connection === undefined) this.#leave(seat);
  }

  close(): Promise<void> {
    return this.#registry?.close() ?? Promise.resolve();
  }

  #isRefused({ owner, address }: Seat): boolean {
    return this.#byOwner?.isFull(owner) === true || this.#byAddress?.isFull(address) === true;
  }

  #take(seat: Seat): void {
    const { by, key, owner, address } = seat;
    this.#seats.set(nameOf(by, key), seat);
    this.#byOwner?.add(owner, seat);
    this.#byAddress?.add(address, seat);
  }

  #leave(seat: Seat): void {
    const { by, key, owner, address } = seat;
    this.#seats.delete(nameOf(by, key));
    this.#byOwner?.delete(owner, seat);
    this.#byAddress?.delete(address, seat);
  }

  /** Now all instances know it, in the same place, and end what is too many with it. */
  #place(seat: Seat, at: number): void {
    const { owner, address } = seat;
    const isRefusing = this.#options.then === 'refuse';
    const which = isRefusing ? 'newest' : 'oldest';
    seat.at = at;
    const excess = [
      ...(this.#byOwner?.excess(owner, which) ?? []),
      ...(this.#byAddress?.excess(address, which) ?? []),
    ];
    for (const { connection } of excess) connection?.end(isRefusing ? 'refused' : 'replaced');
  }
}

function nameOf(by: string, key: string): string {
  return `${by} ${key}`;
}

function claimOf({ owner, address }: Seat): Claim {
  return { ...(owner !== undefined && { owner }), ...(address !== undefined && { address }) };
}
