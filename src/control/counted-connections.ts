import type { Connection } from '../delivery/connection.js';

/** One connection of whichever instance, as it counts. */
export class CountedConnection {
  /** Where it stands in the order that all instances agree on; Infinity until they do. */
  at = Infinity;

  constructor(
    readonly key: string,
    readonly owner: string | undefined,
    readonly address: string | undefined,
    /** If it is of this instance. */
    readonly connection: Connection | undefined,
    readonly by = '',
  ) {}
}

/** The connections of each owner, or of each address, of which only so many are allowed; who has no name is not counted. */
export class CountedConnections {
  readonly #max: number;
  readonly #byName = new Map<string, Set<CountedConnection>>();

  constructor(max: number) {
    this.#max = max;
  }

  add(name: string | undefined, counted: CountedConnection): void {
    if (name === undefined) return;
    const connections = this.#byName.get(name);
    if (connections === undefined) this.#byName.set(name, new Set([counted]));
    else connections.add(counted);
  }

  delete(name: string | undefined, counted: CountedConnection): void {
    if (name === undefined) return;
    const connections = this.#byName.get(name);
    if (connections?.delete(counted) === true && connections.size === 0) this.#byName.delete(name);
  }

  isFull(name: string | undefined): boolean {
    return name !== undefined && (this.#byName.get(name)?.size ?? 0) >= this.#max;
  }

  /** Those that are too many among those that all instances agree on: the oldest of them, or the newest. */
  excess(name: string | undefined, which: 'oldest' | 'newest'): readonly CountedConnection[] {
    const connections = name === undefined ? undefined : this.#byName.get(name);
    if (connections === undefined || connections.size <= this.#max) return [];
    const placed = [...connections].filter(({ at }) => at !== Infinity).sort(byAge);
    const excess = Math.max(placed.length - this.#max, 0);
    return which === 'oldest' ? placed.slice(0, excess) : placed.slice(placed.length - excess);
  }
}

function byAge(one: CountedConnection, other: CountedConnection): number {
  if (one.at !== other.at) return one.at - other.at;
  if (one.by !== other.by) return one.by < other.by ? -1 : 1;
  return Number(one.key) - Number(other.key);
}
