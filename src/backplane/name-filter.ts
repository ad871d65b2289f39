/** Names lie in so many blocks of so many bits. */
const BLOCKS = 4_096;
const BITS = 4_096;
/** Bits of each name. */
const HASHES = 4;

/** Where a name lies. */
export interface NamePlace {
  readonly block: number;
  readonly bits: readonly number[];
}

/** The same name lies in the same place, in every process and in every version. */
export function placeOfName(name: string): NamePlace {
  let one = 0xdeadbeef;
  let other = 0x41c6ce57;
  for (let index = 0; index < name.length; index++) {
    const code = name.charCodeAt(index);
    one = Math.imul(one ^ code, 2_654_435_761);
    other = Math.imul(other ^ code, 1_597_334_677);
  }
  one =
    Math.imul(one ^ (one >>> 16), 2_246_822_507) ^ Math.imul(other ^ (other >>> 13), 3_266_489_909);
  other =
    Math.imul(other ^ (other >>> 16), 2_246_822_507) ^ Math.imul(one ^ (one >>> 13), 3_266_489_909);
  const step = (other >>> 12) | 1;
  const bits = Array.from({ length: HASHES }, (_, hash) => (other + hash * step) & (BITS - 1));
  return { block: one & (BLOCKS - 1), bits };
}

/**
 * Names in a fixed space, 2 MiB at most (a Bloom filter): one that was added is always there, and one that
 * was not hardly ever is, until there are some millions.
 */
export class NameFilter {
  readonly #blocks = new Map<number, Uint8Array>();

  add(name: string): void {
    const { block, bits } = placeOfName(name);
    let bytes = this.#blocks.get(block);
    if (bytes === undefined) this.#blocks.set(block, (bytes = new Uint8Array(BITS / 8)));
    for (const bit of bits) bytes[bit >>> 3] = (bytes[bit >>> 3] ?? 0) | (1 << (bit & 7));
  }

  has(name: string): boolean {
    const { block, bits } = placeOfName(name);
    const bytes = this.#blocks.get(block);
    return bytes !== undefined && bits.every((bit) => ((bytes[bit >>> 3] ?? 0) >>> (bit & 7)) & 1);
  }
}
