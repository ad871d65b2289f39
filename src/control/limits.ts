import { Logger } from '@nestjs/common';
import type { Connection } from '../delivery/connection.js';
import type { LimitPort } from '../delivery/limit-port.js';
import { Registry, type Registration, type RegistryObserver } from '../registry/registry.js';
import type { RegistryPort } from '../registry/message.js';
import type { ResolvedLimits } from './limit-options.js';
import { CountedConnection, CountedConnections } from './counted-connections.js';

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
  readonly #byOwner: CountedConnections | undefined;
  readonly #byAddress: CountedConnections | undefined;
  readonly #own = new Map<Connection, CountedConnection>();
  /** Of all instances, by instance and key. */
  readonly #counted = new Map<string, CountedConnection>();
  readonly #instance: string;
  /** Undefined where there is one instance. */
  readonly #registry: Registry<Claim> | undefined;
  /** Counts what this instance lets in. */
  #count = 0;
  /** Whether nobody has had an owner so far, which may be a mistake. */
  #isOwnerless: boolean;

  /**
   * @param port undefined where there is one instance
   * @param isIdentified whether `identify` says who has no owner
   */
  constructor(options: ResolvedLimits, port: RegistryPort | undefined, isIdentified: boolean) {
    const { perOwner, perAddress, lease, then } = options;
    const tooMany = then === 'refuse' ? 'newest' : 'oldest';
    this.#options = options;
    this.#isOwnerless = perOwner !== false && !isIdentified;
    this.#byOwner = perOwner === false ? undefined : new CountedConnections(perOwner, tooMany);
    this.#byAddress =
      perAddress === false ? undefined : new CountedConnections(perAddress, tooMany);
    this.#instance = port?.instance ?? '';
    this.#registry = port && new Registry(port, lease, this);
  }

  admit(connection: Connection): void {
    const known = this.#own.get(connection);
    const { owner, remoteAddress: address } = connection;
    if (connection.isEnded || (known !== undefined && known.owner === owner)) return;
    this.#isOwnerless &&= owner === undefined;
    this.#forget(connection);
    const counted = new CountedConnection(
      String(++this.#count),
      owner,
      address,
      connection,
      this.#instance,
    );
    if (this.#options.then === 'refuse' && this.#isRefused(counted)) {
      connection.end('refused');
      return;
    }
    this.#own.set(connection, counted);
    this.#take(counted);
    if (this.#registry === undefined) this.#place(counted, this.#count);
    else this.#registry.register(counted.key, claimOf(counted));
  }

  release(connection: Connection): void {
    // Until it has ended, its handler may still say whose it is.
    if (this.#forget(connection) && this.#isOwnerless) this.#warn();
  }

  onRegister({ by, key, value, at }: Registration<Claim>): void {
    const known = this.#counted.get(nameOf(by, key));
    // What has ended here is on its way out there too.
    if (known === undefined && by === this.#instance) return;
    const counted = known ?? new CountedConnection(key, value.owner, value.address, undefined, by);
    if (known === undefined) this.#take(counted);
    this.#place(counted, at);
  }

  onUnregister({ by, key }: Registration<Claim>): void {
    const counted = this.#counted.get(nameOf(by, key));
    if (counted !== undefined && counted.connection === undefined) this.#leave(counted);
  }

  close(): Promise<void> {
    return this.#registry?.close() ?? Promise.resolve();
  }

  #warn(): void {
    this.#isOwnerless = false;
    new Logger('SseConnections').warn(
      'A connection had no owner, so limits.perOwner does not count it: say whose it is, by identify of ' +
        'SseModule.forRoot() or by @SseConnection().identify()',
    );
  }

  #forget(connection: Connection): boolean {
    const counted = this.#own.get(connection);
    if (counted === undefined) return false;
    this.#own.delete(connection);
    this.#leave(counted);
    this.#registry?.unregister(counted.key);
    return true;
  }

  #isRefused({ owner, address }: CountedConnection): boolean {
    return this.#byOwner?.isFull(owner) === true || this.#byAddress?.isFull(address) === true;
  }

  #take(counted: CountedConnection): void {
    const { by, key, owner, address } = counted;
    this.#counted.set(nameOf(by, key), counted);
    this.#byOwner?.add(owner);
    this.#byAddress?.add(address);
  }

  #leave(counted: CountedConnection): void {
    const { by, key, owner, address } = counted;
    this.#counted.delete(nameOf(by, key));
    this.#byOwner?.delete(owner, counted);
    this.#byAddress?.delete(address, counted);
  }

  /** Now all instances know it, in the same place, and end what is too many with it. */
  #place(counted: CountedConnection, at: number): void {
    const { owner, address } = counted;
    this.#byOwner?.unplace(owner, counted);
    this.#byAddress?.unplace(address, counted);
    counted.at = at;
    const excess = [this.#byOwner?.place(owner, counted), this.#byAddress?.place(address, counted)];
    const reason = this.#options.then === 'refuse' ? 'refused' : 'replaced';
    for (const each of excess) each?.connection?.end(reason);
  }
}

function nameOf(by: string, key: string): string {
  return `${by} ${key}`;
}

function claimOf({ owner, address }: CountedConnection): Claim {
  return { ...(owner !== undefined && { owner }), ...(address !== undefined && { address }) };
}
