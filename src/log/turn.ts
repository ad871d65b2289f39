/** Something with work for the next turn of the event loop; `queued` belongs to the turn. */
export interface Task {
  queued: boolean;
  /** Must not throw. */
  run(): void;
}

/** After this long, in milliseconds, the other work of the process gets a chance between two tasks. */
const SLICE = 20;
/** Tasks between two looks at the clock. */
const STRIDE = 32;

/**
 * Collects tasks and runs each once in the next turn of the event loop, then whatever has to come after
 * them all: the log trims only when every reader that was told of an event has had its chance to read.
 */
export class Turn {
  #tasks: Task[] = [];
  #running: Task[] = [];
  #next = 0;
  #isScheduled = false;
  readonly #beginnings: (() => void)[] = [];
  readonly #endings: (() => void)[] = [];

  /** Runs `beginning` before each round of tasks. */
  onBegin(beginning: () => void): void {
    this.#beginnings.push(beginning);
  }

  /** Runs `ending` at the end of each round of tasks. */
  onEnd(ending: () => void): void {
    this.#endings.push(ending);
  }

  add(task: Task): void {
    if (task.queued) return;
    task.queued = true;
    this.#tasks.push(task);
    this.request();
  }

  /** Makes sure that a round ends, also when it has no task. */
  request(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#run);
  }

  readonly #run = (): void => {
    if (this.#next === 0) {
      for (const beginning of this.#beginnings) beginning();
      this.#running = this.#tasks;
      this.#tasks = [];
    }
    const started = performance.now();
    while (this.#next < this.#running.length) {
      const task = this.#running[this.#next++];
      if (task !== undefined) {
        task.queued = false;
        try {
          task.run();
        } catch (error) {
          // A defect of this package; the other tasks still have their turn.
          queueMicrotask(() => {
            throw error;
          });
        }
      }
      if (this.#next % STRIDE === 0 && performance.now() - started > SLICE) {
        setImmediate(this.#run);
        return;
      }
    }
    this.#running = [];
    this.#next = 0;
    this.#isScheduled = false;
    for (const ending of this.#endings) ending();
    if (this.#tasks.length > 0) this.request();
  };
}
