/** Bytes that are allocated at once, for many frames. */
const SLAB = 65_536;
/** A frame that may be longer than this has bytes of its own, so that little of a slab is left over. */
const LONGEST_SHARED = SLAB / 8;
/** The most bytes of UTF-8 that one UTF-16 unit takes. */
const MOST_PER_UNIT = 3;

/**
 * Keeps the frames of one log in bytes that nobody else uses, in their order: they are dropped in that order
 * too, so what frames take is what they hold. Node's own pool would share its slabs with all short-lived
 * buffers of the process, and one frame would keep a whole slab of them.
 */
export class FrameSlab {
  #slab = Buffer.alloc(0);
  #used = 0;

  /** The text as UTF-8. */
  encode(text: string): Buffer {
    const most = text.length * MOST_PER_UNIT;
    if (most > LONGEST_SHARED) return ownBytes(text);
    if (most > this.#slab.length - this.#used) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += this.#slab.write(text, start, 'utf8');
    return this.#slab.subarray(start, this.#used);
  }
}

function ownBytes(text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text, 'utf8'));
  bytes.write(text, 'utf8');
  return bytes;
}
