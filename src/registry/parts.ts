/** Characters of JSON that one entry of the log holds, or one item where that is longer. */
const MAX_LENGTH = 65_536;

/** Which of how many parts it is, from 1. */
export type Part = readonly [number: number, of: number];

/** Cuts a list so that no entry of the log is large, however long it is. */
export function split<Item>(items: readonly Item[]): Item[][] {
  const parts: Item[][] = [];
  let room = 0;
  for (const item of items) {
    const length = JSON.stringify(item).length + 1;
    room -= length;
    if (room >= 0) parts.at(-1)?.push(item);
    else {
      parts.push([item]);
      room = MAX_LENGTH - length;
    }
  }
  return parts;
}

/** Puts lists together again of which the parts come in order; one that misses a part is never whole. */
export class Parts<Item> {
  /** How many lists may be on their way at once. */
  static readonly #MAX = 16;
  readonly #begun = new Map<string, readonly Item[][]>();

  /**
   * @param name of the list
   * @param part undefined for one that was not cut
   * @returns undefined until it is whole
   */
  join(name: string, part: Part | undefined, items: readonly Item[]): readonly Item[] | undefined {
    const before = this.#begun.get(name) ?? [];
    this.#begun.delete(name);
    if (part === undefined) return items;
    const [number, of] = part;
    if (number !== 1 && before.length !== number - 1) return undefined;
    const parts = number === 1 ? [[...items]] : [...before, [...items]];
    if (number === of) return parts.flat();
    this.#begun.set(name, parts);
    for (const oldest of this.#begun.keys()) {
      if (this.#begun.size <= Parts.#MAX) break;
      this.#begun.delete(oldest);
    }
    return undefined;
  }

  clear(): void {
    this.#begun.clear();
  }
}

/** Whether it is one. */
export function isPart(value: unknown): value is Part | undefined {
  if (value === undefined) return true;
  return Array.isArray(value) && value.length === 2 && value.every(Number.isSafeInteger);
}
