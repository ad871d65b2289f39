/** Milliseconds that are one for a deadline. */
const STEP = 20;

/** Calls for each item when its time has come: one timer for all whose time is the same. */
export class Deadlines<Item> {
  readonly #onDue: (item: Item) => void;
  readonly #bySlot = new Map<
    number,
    { readonly items: Set<Item>; readonly timer: NodeJS.Timeout }
  >();
  readonly #slots = new Map<Item, number>();
  #isClosed = false;

  constructor(onDue: (item: Item) => void) {
    this.#onDue = onDue;
  }

  /**
   * Instead of the one that the item had.
   *
   * @param milliseconds from now
   */
  set(item: Item, milliseconds: number): void {
    this.clear(item);
    if (this.#isClosed) return;
    const slot = Math.ceil((performance.now() + Math.max(milliseconds, 0)) / STEP);
    this.#slots.set(item, slot);
    const known = this.#bySlot.get(slot);
    if (known !== undefined) {
      known.items.add(item);
      return;
    }
    const wait = slot * STEP - performance.now();
    const timer = setTimeout(() => this.#run(slot), wait).unref();
    this.#bySlot.set(slot, { items: new Set([item]), timer });
  }

  has(item: Item): boolean {
    return this.#slots.has(item);
  }

  clear(item: Item): void {
    const slot = this.#slots.get(item);
    if (slot === undefined) return;
    this.#slots.delete(item);
    const due = this.#bySlot.get(slot);
    due?.items.delete(item);
    if (due?.items.size !== 0) return;
    clearTimeout(due.timer);
    this.#bySlot.delete(slot);
  }

  /** From now on nothing is due any more. */
  close(): void {
    this.#isClosed = true;
    for (const { timer } of this.#bySlot.values()) clearTimeout(timer);
    this.#bySlot.clear();
    this.#slots.clear();
  }

  #run(slot: number): void {
    const items = this.#bySlot.get(slot)?.items ?? [];
    this.#bySlot.delete(slot);
    for (const item of items) {
      this.#slots.delete(item);
      this.#onDue(item);
    }
  }
}
