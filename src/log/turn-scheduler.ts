/** Something that can be run, again and again. */
export interface Work {
  /** Must not throw. */
  run(): void;
}

/** Something with work for the next turn of the event loop; `queued` belongs to the turn. */
export interface Task extends Work {
  queued: boolean;
}

/** What has work together, told at the cost of one; who joins while a round runs may be run in it. */
export interface TaskGroup {
  queued: boolean;
  readonly members: Iterable<Work>;
}

/** After this long, in milliseconds, the other work of the process gets a chance between two tasks. */
const SLICE = 20;
/** Tasks between two looks at the clock. */
const STRIDE = 32;

/**
 * Collects tasks and runs each in the next turn of the event loop, then whatever has to come after them
 * all: the log trims only when every reader that was told of an event has had its chance to read. Who is
 * added while a round runs has another one.
 */
export class TurnScheduler {
  #tasks: Task[] = [];
  #groups: TaskGroup[] = [];
  /** What the slices of this round have yet to run. */
  #left: Work[] = [];
  #isScheduled = false;
  #isRunning = false;
  /** Who waits for a round that begins after they asked, and whose round has begun. */
  #waiters: (() => void)[] = [];
  #served: (() => void)[] = [];
  readonly #beginnings: (() => void)[] = [];
  readonly #endings = new Set<() => void>();

  /** Whether tasks of a round are being run: what is called now is called by one of them. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Runs `beginning` before each round of tasks. */
  onBegin(beginning: () => void): void {
    this.#beginnings.push(beginning);
  }

  /** Runs `ending` at the end of each round of tasks, until what is returned is called. */
  onEnd(ending: () => void): () => void {
    this.#endings.add(ending);
    return () => this.#endings.delete(ending);
  }

  add(task: Task): void {
    if (task.queued) return;
    task.queued = true;
    this.#tasks.push(task);
    this.request();
  }

  addGroup(group: TaskGroup): void {
    if (group.queued) return;
    group.queued = true;
    this.#groups.push(group);
    this.request();
  }

  /** Makes sure that a round ends, also when it has no task. */
  request(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#run);
  }

  /** Resolves at the end of a round that begins after this: who was told of something before has had its turn. */
  nextRound(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      this.request();
    });
  }

  readonly #run = (): void => {
    const round = this.#left.length > 0 ? [this.#left] : this.#begin();
    const left: Work[] = [];
    const end = performance.now() + SLICE;
    let count = 0;
    this.#isRunning = true;
    for (const works of round) {
      for (const work of works) {
        if (left.length > 0) left.push(work);
        else if (++count % STRIDE === 0 && performance.now() > end) left.push(work);
        else runSafely(work);
      }
    }
    this.#isRunning = false;
    this.#left = left;
    if (left.length > 0) {
      setImmediate(this.#run);
      return;
    }
    this.#isScheduled = false;
    for (const ending of this.#endings) ending();
    for (const resolve of this.#served.splice(0)) resolve();
    if (this.#tasks.length > 0 || this.#groups.length > 0 || this.#waiters.length > 0)
      this.request();
  };

  #begin(): Iterable<Work>[] {
    for (const beginning of this.#beginnings) beginning();
    const [tasks, groups] = [this.#tasks, this.#groups];
    this.#tasks = [];
    this.#groups = [];
    this.#served = this.#waiters;
    this.#waiters = [];
    for (const task of tasks) task.queued = false;
    for (const group of groups) group.queued = false;
    return [tasks, ...groups.map(({ members }) => members)];
  }
}

function runSafely(work: Work): void {
  try {
    work.run();
  } catch (error) {
    // A defect of this package; the others still have their turn.
    queueMicrotask(() => {
      throw error;
    });
  }
}
