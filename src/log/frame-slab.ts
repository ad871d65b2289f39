/** Bytes that are allocated at once, for many frames: who keeps one event keeps no more than that. */
const SLAB = 8_192;
/** A frame that is longer than this has bytes of its own, so that little of a slab is left over. */
const LONGEST_SHARED = SLAB / 8;

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
    const length = Buffer.byteLength(text, 'utf8');
    if (length > LONGEST_SHARED) return copyOf(text, Buffer.allocUnsafeSlow(length));
    if (length > this.#slab.length - this.#used) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += length;
    return copyOf(text, this.#slab.subarray(start, this.#used));
  }
}

function copyOf(text: string, bytes: Buffer): Buffer {
  bytes.write(text, 'utf8');
  return bytes;
}
