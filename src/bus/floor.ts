/**
 * What one stream has handed to the user's operators and has not seen come out again. The cursor that a
 * client is told may not pass {@link value}, or a lost connection would lose what the operators hold.
 */
export class Floor {
  #held: number[] = [];
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

  holds(offset: number): boolean {
    return this.#pin === offset || this.#held.includes(offset);
  }

  /** An event goes to the operators. */
  hand(offset: number): void {
    this.#held.push(offset);
  }

  /** An event has come out, and with it everything before it. */
  settle(offset: number): void {
    if (this.#pin !== undefined && offset >= this.#pin) this.#pin = undefined;
    const held = this.#held;
    if (held.length === 0) return;
    if ((held[held.length - 1] ?? 0) <= offset) held.length = 0;
    else this.#held = held.filter((place) => place > offset);
  }

  /** No place is safe until something at `offset` or later comes out: a snapshot is owed. */
  pin(offset: number): void {
    this.#pin = offset;
  }

  /** A gap was announced: what was held is covered by it. */
  clear(): void {
    this.#held.length = 0;
  }
}
