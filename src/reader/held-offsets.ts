/** Offsets that are kept one by one; of more than that only the first and the last. */
const MAX_PLACES = 1_024;
/** Stands for no offset. */
const NONE = -1;

/**
 * What one stream has handed to the user's operators and has not seen come out again. The cursor that a
 * client is told may not pass {@link value}, or a lost connection would lose what the operators hold.
 */
export class HeldOffsets {
  /** The first offset that is held: nearly always the only one, so that the others need no array. */
  #first = NONE;
  #later: number[] | undefined;
  /** Whether of what is held only the first and the last offset are kept: an operator swallows it all. */
  #isRange = false;
  /** While a snapshot is owed, the offset that its last event will have; infinite until that is handed out. */
  #pin: number | undefined;

  /** The last offset before what is held; infinite when nothing is, -1 while none is safe. */
  get value(): number {
    if (this.#pin !== undefined) return -1;
    return this.#first === NONE ? Infinity : this.#first - 1;
  }

  get holdsAny(): boolean {
    return this.#first !== NONE;
  }

  /** The last one that is held. */
  get last(): number | undefined {
    return this.holdsAny ? this.#last : undefined;
  }

  /** Whether an event of that offset may be held. */
  holds(offset: number): boolean {
    if (this.#pin === offset || this.#first === offset) return true;
    if (!this.#isRange) return this.#later?.includes(offset) ?? false;
    return this.#first <= offset && offset <= this.#last;
  }

  /** An event goes to the operators. */
  hand(offset: number): void {
    if (this.#first === NONE) this.#first = offset;
    else if (this.#later === undefined || this.#isRange) this.#later = [offset];
    else if (this.#later.push(offset) >= MAX_PLACES) {
      this.#later = [offset];
      this.#isRange = true;
    }
  }

  /** An event has come out, and with it everything before it. */
  settle(offset: number): void {
    if (this.#pin !== undefined && offset >= this.#pin) this.#pin = undefined;
    if (this.#first === NONE || this.#first > offset) return;
    if (this.#last <= offset) this.clear();
    else if (this.#isRange) this.#first = offset + 1;
    else {
      this.#later = this.#later?.filter((each) => each > offset);
      this.#first = this.#later?.shift() ?? NONE;
    }
  }

  /** No offset is safe until something at `offset` or later comes out: a snapshot is owed. */
  pin(offset = Infinity): void {
    this.#pin = offset;
  }

  /** Nothing that is held counts any more. */
  clear(): void {
    this.#first = NONE;
    this.#later = undefined;
    this.#isRange = false;
  }

  get #last(): number {
    return this.#later?.at(-1) ?? this.#first;
  }
}
