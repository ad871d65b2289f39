import { hostname } from 'node:os';
import type { Subscription } from 'rxjs';
import type { SseEvent } from '../log/event.js';
import type { Statistics } from '../nest/statistics.js';

/** Where instances that are looked at say how they are. */
const TOPIC = '$inspector';
/** Milliseconds between two questions, while somebody looks. */
const INTERVAL = 10_000;
/** Milliseconds after which one that has not answered is shown no more. */
const GONE = 25_000;

/** How an instance is. */
export interface InstanceState {
  readonly instance: string;
  readonly host: string;
  readonly pid: number;
  readonly connections: number;
  readonly lagEvents: number;
  readonly lagMs: number;
  /** When it was said, in milliseconds since the Unix epoch, by the clock of whoever heard it. */
  readonly at: number;
}

/**
 * The instances that have an inspector. They are asked through the log, and only while somebody looks at the page of one
 * of them: a question and an answer of each, every ten seconds.
 */
export class Instances {
  readonly #statistics: Statistics;
  readonly #known = new Map<string, InstanceState>();
  readonly #subscription: Subscription | undefined;
  #askedAt = -Infinity;

  constructor(statistics: Statistics) {
    this.#statistics = statistics;
    if (statistics.backplane.isLocal) return;
    this.#subscription = statistics.bus.follow(TOPIC).subscribe((event) => this.#read(event));
  }

  /** This one first. */
  get all(): readonly InstanceState[] {
    const own = this.#own();
    const now = Date.now();
    for (const [id, { at }] of this.#known) if (now - at > GONE) this.#known.delete(id);
    this.#known.delete(own.instance);
    return [own, ...this.#known.values()];
  }

  /** Somebody looks. */
  ask(): void {
    const now = performance.now();
    if (this.#subscription === undefined || now - this.#askedAt < INTERVAL) return;
    this.#askedAt = now;
    this.#tell({ kind: 'question' });
  }

  close(): void {
    this.#subscription?.unsubscribe();
  }

  #read({ type, data }: SseEvent): void {
    if (type === 'gap' || typeof data !== 'object') return;
    const { kind, ...state } = data as unknown as { readonly kind: unknown } & InstanceState;
    if (kind === 'question') this.#tell({ kind: 'answer', ...this.#own() });
    if (kind === 'answer') this.#known.set(state.instance, { ...state, at: Date.now() });
  }

  /** What is not told is told the next time. */
  #tell(data: object): void {
    this.#statistics.bus.publishInternal(TOPIC, data).catch(() => {});
  }

  #own(): InstanceState {
    const { connections, backplane } = this.#statistics;
    const { lagEvents, lagMs } = backplane.health;
    return {
      instance: connections.instance,
      host: hostname(),
      pid: process.pid,
      connections: connections.connections.size,
      lagEvents,
      lagMs,
      at: Date.now(),
    };
  }
}
