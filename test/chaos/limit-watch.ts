import { setTimeout as elapse } from 'node:timers/promises';
import type { InstanceState } from './instance.js';
import type { Instances } from './instances.js';

/** Milliseconds between two looks. */
const INTERVAL = 50;
/** Milliseconds for which an owner may have too many: a second, and what a look takes. */
const PATIENCE = 1_200;

/** Looks at how many streams each owner has on all instances that live, and for how long it is too many. */
export class LimitWatch {
  readonly faults: string[] = [];
  /** Since when an owner has had too many, while nothing happened to the instances. */
  readonly #excessSince = new Map<string, number>();
  readonly #fleet: Instances;
  readonly #limit: number;
  #isStopped = false;
  #isDisturbed = false;
  #run: Promise<void> | undefined;
  /** Of the last look; undefined if an instance did not answer, or was not at the log's head. */
  #open: ReadonlyMap<string, number> | undefined;

  constructor(fleet: Instances, limit: number) {
    this.#fleet = fleet;
    this.#limit = limit;
  }

  start(): void {
    this.#run = this.#live();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#run;
  }

  /** While something happens to Redis, the network or an instance nobody can know what others have. */
  async during(disturbance: Promise<void>): Promise<void> {
    this.#isDisturbed = true;
    await disturbance.finally(() => (this.#isDisturbed = false));
  }

  /** Whether each owner has as many as are allowed. */
  areFull(owners: readonly string[]): boolean {
    return owners.every((owner) => this.#open?.get(owner) === this.#limit);
  }

  get text(): string {
    return JSON.stringify(this.#open && [...this.#open]);
  }

  async #live(): Promise<void> {
    while (!this.#isStopped) {
      const before = this.#isDisturbed;
      const states = await Promise.all(this.#fleet.urls.map(stateOf));
      const isCalm = !before && !this.#isDisturbed && states.every((each) => each?.isHealthy);
      this.#open = isCalm ? countByOwner(states) : undefined;
      this.#judge();
      await elapse(INTERVAL);
    }
  }

  #judge(): void {
    const now = performance.now();
    for (const owner of [...this.#excessSince.keys()]) {
      if ((this.#open?.get(owner) ?? 0) <= this.#limit) this.#excessSince.delete(owner);
    }
    for (const [owner, count] of this.#open ?? []) {
      if (count <= this.#limit) continue;
      const since = this.#excessSince.get(owner) ?? now;
      this.#excessSince.set(owner, since);
      const time = Math.round(now - since);
      if (time > PATIENCE) this.faults.push(`${owner} has ${count} streams for ${time} ms`);
    }
  }
}

async function stateOf(url: string): Promise<InstanceState | undefined> {
  try {
    const response = await fetch(`${url}/state`, { signal: AbortSignal.timeout(500) });
    return (await response.json()) as InstanceState;
  } catch {
    return undefined;
  }
}

function countByOwner(states: readonly (InstanceState | undefined)[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const owner of states.flatMap((state) => state?.owners ?? [])) {
    counts.set(owner, (counts.get(owner) ?? 0) + 1);
  }
  return counts;
}
