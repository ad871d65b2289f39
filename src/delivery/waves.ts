/** Milliseconds between two waves. */
const INTERVAL = 100;

interface Member {
  leave(): void;
}

/**
 * Lets connections leave a few at a time, evenly over some time and in random order: those of one user, or of one
 * office, need not go together.
 */
export class Waves {
  readonly #over: number;
  /** From 0 to 1. */
  #progress = 0;
  #isHurried = false;
  #wake: (() => void) | undefined;

  /** @param over milliseconds from the first wave to the last */
  constructor(over: number) {
    this.#over = over;
  }

  /** The part of all that has been told to leave, from 0 to 1. */
  get progress(): number {
    return this.#progress;
  }

  /** Resolves when all have been told to leave. */
  async run(members: Iterable<Member>): Promise<void> {
    const waiting = shuffled(members);
    const total = waiting.length;
    const begin = performance.now();
    while (waiting.length > 0) {
      await this.#interval();
      const share = this.#isHurried ? 1 : (performance.now() - begin) / this.#over;
      const left = Math.max(Math.floor(total * (1 - share)), 0);
      while (waiting.length > left) {
        this.#progress = 1 - waiting.length / total;
        waiting.pop()?.leave();
      }
    }
  }

  /** What is left goes at once. */
  hurry(): void {
    this.#isHurried = true;
    this.#wake?.();
  }

  async #interval(): Promise<void> {
    if (this.#isHurried) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, INTERVAL).unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function shuffled<Each>(members: Iterable<Each>): Each[] {
  const all = [...members];
  for (let last = all.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [all[last], all[other]] = [all[other] as Each, all[last] as Each];
  }
  return all;
}
