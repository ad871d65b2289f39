/** Places that are kept one by one; of more than that only the first and the last. */
const MAX_PLACES = 1_024;

/**
 * What one stream has handed to the user's operators and has not seen come out again. The cursor that a
 * client is told may not pass {@link value}, or a lost connection would lose what the operators hold.
 */
export class Floor {
  #held: number[] = [];
  /** Whether of what is held only the first and the last place are kept: an operator swallows it all. */
  #isRange = false;
  /** While a snapshot is owed, the place that its last event will have; infinite until that is handed out. */
  #pin: number | undefined;

  /** The last place before what is held; infinite when nothing is, -1 while no place is safe. */
  get value(): number {
    if (this.#pin !== undefined) return -1;
    const [first] = this.#held;
    return first === undefined ? Infinity : first - 1;
  }

  get holdsAny(): boolean {
    return this.#held.length > 0;
  }

  /** Whether an event of that offset may be held. */
  holds(offset: number): boolean {
    if (this.#pin === offset) return true;
    if (!this.#isRange) return this.#held.includes(offset);
    const [first = Infinity, last = 0] = this.#held;
    return first <= offset && offset <= last;
  }

  /** An event goes to the operators. */
  hand(offset: number): void {
    const held = this.#held;
    if (this.#isRange) held[1] = offset;
    else if (held.push(offset) > MAX_PLACES) {
      held.splice(1, MAX_PLACES - 1);
      this.#isRange = true;
    }
  }

  /** An event has come out, and with it everything before it. */
  settle(offset: number): void {
    if (this.#pin !== undefined && offset >= this.#pin) this.#pin = undefined;
    const held = this.#held;
    if (held.length === 0) return;
    if ((held[held.length - 1] ?? 0) <= offset) this.clear();
    else if (this.#isRange) held[0] = Math.max(held[0] ?? 0, offset + 1);
    else this.#held = held.filter((place) => place > offset);
  }

  /** No place is safe until something at `offset` or later comes out: a snapshot is owed. */
  pin(offset = Infinity): void {
    this.#pin = offset;
  }

  /** A gap was announced: what was held is covered by it. */
  clear(): void {
    this.#held.length = 0;
    this.#isRange = false;
  }
}
