/**
 * One frame and those before it, as one piece of bytes, with and without the framing of an HTTP/1.1 chunk.
 * Connections that get the same frames walk the same path of these, and so share the bytes.
 */
export class JoinedFrames {
  readonly length: number;
  /** How many frames they are. */
  readonly count: number;
  /** What the last one that came by here went on with; the others before it, if there are several. */
  #next: JoinedFrames | undefined;
  #others: Map<Buffer, JoinedFrames> | undefined;
  #body: Buffer | undefined;
  #chunk: Buffer | undefined;

  constructor(
    readonly before: JoinedFrames | undefined,
    readonly frame: Buffer,
  ) {
    this.length = (before?.length ?? 0) + frame.length;
    this.count = (before?.count ?? 0) + 1;
  }

  /** These frames, then `frame`. */
  with(frame: Buffer): JoinedFrames {
    const next = this.#next;
    if (next?.frame === frame) return next;
    if (next !== undefined) (this.#others ??= new Map()).set(next.frame, next);
    return (this.#next = this.#others?.get(frame) ?? new JoinedFrames(this, frame));
  }

  /** The frames, in their order. */
  get frames(): Buffer[] {
    const frames = [this.frame];
    for (let { before } = this; before !== undefined; { before } = before)
      frames.push(before.frame);
    return frames.reverse();
  }

  get body(): Buffer {
    if (this.before === undefined) return this.frame;
    return (this.#body ??= this.#copyTo(Buffer.allocUnsafe(this.length), this.length));
  }

  /** The body as one chunk (RFC 9112, section 7.1). */
  get chunk(): Buffer {
    return (this.#chunk ??= this.#toChunk());
  }

  #toChunk(): Buffer {
    const head = `${this.length.toString(16)}\r\n`;
    const chunk = Buffer.allocUnsafe(head.length + this.length + 2);
    chunk.write(head, 'latin1');
    chunk.write('\r\n', head.length + this.length, 'latin1');
    return this.#copyTo(chunk, head.length + this.length);
  }

  /** Copies from the last frame to the first. */
  #copyTo(bytes: Buffer, end: number): Buffer {
    let start = end - this.frame.length;
    this.frame.copy(bytes, start);
    for (let { before } = this; before !== undefined; before = before.before) {
      start -= before.frame.length;
      before.frame.copy(bytes, start);
    }
    return bytes;
  }
}

/** Where the paths of one turn begin: by their first frame. */
export class JoinedFramesCache {
  /** Events that went to clients: counted by what all of them touch, so that a delivery touches nothing more. */
  delivered = 0;
  readonly #byFirst = new Map<Buffer, JoinedFrames>();
  #last: JoinedFrames | undefined;

  /** The frames before, if any, then `frame`. */
  join(before: JoinedFrames | undefined, frame: Buffer): JoinedFrames {
    if (before !== undefined) return before.with(frame);
    if (this.#last?.frame === frame) return this.#last;
    let first = this.#byFirst.get(frame);
    if (first === undefined) {
      first = new JoinedFrames(undefined, frame);
      this.#byFirst.set(frame, first);
    }
    return (this.#last = first);
  }

  /** To be called at the end of a turn. */
  clear(): void {
    this.#byFirst.clear();
    this.#last = undefined;
  }
}
