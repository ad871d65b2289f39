/** Several frames as one piece of bytes, with and without the framing of an HTTP/1.1 chunk. */
export class JoinedFrames {
  readonly #frames: readonly Buffer[];
  #body: Buffer | undefined;
  #chunk: Buffer | undefined;

  constructor(frames: readonly Buffer[]) {
    this.#frames = frames;
  }

  /** Compares every element: frames that begin, end and measure alike can differ in the middle. */
  isOf(frames: readonly Buffer[]): boolean {
    const own = this.#frames;
    if (own.length !== frames.length) return false;
    for (let index = 0; index < own.length; index++) {
      if (own[index] !== frames[index]) return false;
    }
    return true;
  }

  get body(): Buffer {
    const [first] = this.#frames;
    if (this.#frames.length === 1 && first !== undefined) return first;
    return (this.#body ??= Buffer.concat(this.#frames));
  }

  /** The body as one chunk (RFC 9112, section 7.1). */
  get chunk(): Buffer {
    return (this.#chunk ??= this.#toChunk());
  }

  #toChunk(): Buffer {
    const length = this.#frames.reduce((sum, frame) => sum + frame.length, 0);
    const chunk = Buffer.allocUnsafe(length + length.toString(16).length + 4);
    let end = chunk.write(`${length.toString(16)}\r\n`, 'latin1');
    for (const frame of this.#frames) end += frame.copy(chunk, end);
    chunk.write('\r\n', end, 'latin1');
    return chunk;
  }
}

/** Lets connections that got the same frames in a turn share the joined bytes. */
export class JoinedFramesCache {
  readonly #byFirst = new Map<Buffer, JoinedFrames[]>();

  join(frames: readonly Buffer[]): JoinedFrames {
    const [first] = frames;
    if (first === undefined) return new JoinedFrames(frames);
    const known = this.#byFirst.get(first);
    const same = known?.find((joined) => joined.isOf(frames));
    if (same !== undefined) return same;
    const joined = new JoinedFrames(frames);
    if (known === undefined) this.#byFirst.set(first, [joined]);
    else known.push(joined);
    return joined;
  }

  /** To be called at the end of a turn. */
  clear(): void {
    this.#byFirst.clear();
  }
}
