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

/** The connections of one owner, or of one address. */
interface Named {
  count: number;
  /** Those that all instances agree on, the oldest first. */
  readonly placed: CountedConnection[];
}

/** The connections of each owner, or of each address, of which only so many are allowed; who has no name is not counted. */
export class CountedConnections {
  readonly #max: number;
  readonly #tooMany: 'oldest' | 'newest';
  readonly #byName = new Map<string, Named>();

  /** @param tooMany which of them are, where there are more than `max` */
  constructor(max: number, tooMany: 'oldest' | 'newest') {
    this.#max = max;
    this.#tooMany = tooMany;
  }

  add(name: string | undefined): void {
    if (name === undefined) return;
    const known = this.#byName.get(name);
    if (known === undefined) this.#byName.set(name, { count: 1, placed: [] });
    else known.count++;
  }

  delete(name: string | undefined, counted: CountedConnection): void {
    const named = this.#find(name);
    if (name === undefined || named === undefined) return;
    this.unplace(name, counted);
    if (--named.count === 0) this.#byName.delete(name);
  }

  isFull(name: string | undefined): boolean {
    return (this.#find(name)?.count ?? 0) >= this.#max;
  }

  /**
   * Puts one that was added in its place. What was too many before has been told of before, and is not looked at again:
   * of many that come at once, each costs the same.
   *
   * @returns the one that is too many now
   */
  place(name: string | undefined, counted: CountedConnection): CountedConnection | undefined {
    const placed = this.#find(name)?.placed;
    if (placed === undefined) return undefined;
    const index = placeOf(counted, placed);
    placed.splice(index, 0, counted);
    if (placed.length <= this.#max) return undefined;
    if (this.#tooMany === 'newest') return placed[Math.max(index, this.#max)];
    return placed[Math.min(index, placed.length - this.#max - 1)];
  }

  /** To be called before `at` of one changes that has a place. */
  unplace(name: string | undefined, counted: CountedConnection): void {
    const placed = this.#find(name)?.placed;
    if (placed === undefined || counted.at === Infinity) return;
    const index = placeOf(counted, placed) - 1;
    if (placed[index] === counted) placed.splice(index, 1);
  }

  #find(name: string | undefined): Named | undefined {
    return name === undefined ? undefined : this.#byName.get(name);
  }
}

/** How many of them are not younger. */
function placeOf(counted: CountedConnection, placed: readonly CountedConnection[]): number {
  let [from, to] = [0, placed.length];
  // Most come in their order.
  for (let middle = to - 1; from < to; middle = (from + to) >> 1) {
    const other = placed[middle];
    if (other !== undefined && byAge(other, counted) > 0) to = middle;
    else from = middle + 1;
  }
  return from;
}

function byAge(one: CountedConnection, other: CountedConnection): number {
  if (one.at !== other.at) return one.at - other.at;
  if (one.by !== other.by) return one.by < other.by ? -1 : 1;
  return Number(one.key) - Number(other.key);
}
